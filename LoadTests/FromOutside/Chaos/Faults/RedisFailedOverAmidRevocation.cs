using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>
/// The ledger falls back to before a revocation and believes in a lease whose user has been dropped: nobody new gets it (L3). Its
/// holders of then are led back to it for the moment that it takes to find out.
/// </summary>
internal sealed class RedisFailedOverAmidRevocation : Misfortune
{
    private static readonly TimeSpan FoundOutWithin = TimeSpan.FromSeconds(8);

    public override string Name => "redis-failed-over-amid-revocation";

    public override string What => "a lease is revoked, and a replica of Redis that heard nothing of it takes Redis' place";

    // One for what fell back, and one for the pool that cannot tell which of its leases is good.
    public override int MoreUsers => 2;

    public override bool LosesLedger => true;

    // Whoever asks while there is no lease waits for the next one, and not for ever.
    public override IReadOnlyList<string> Refusals => ["ledger-unavailable", "holder-unknown", "database-unavailable", "issuer-unavailable"];

    public override StageSettings On(StageSettings stage) => WithCopy(stage);

    public override async Task HappenAsync(Scene scene, CancellationToken cancellation)
    {
        await scene.Stage.Ledger!.CutOffCopyAsync(cancellation);
        using (scene.LoginsEnd())
        {
            await scene.RevokeAsync(0, cancellation);
            // All have heard of it.
            await scene.LastAsync(TimeSpan.FromSeconds(4), cancellation);
            await scene.Stage.Ledger.FailOverAsync(cancellation);
            await scene.LastAsync(FoundOutWithin, cancellation);
        }

        await scene.LastAsync(TimeSpan.FromSeconds(6), cancellation);
    }
}
