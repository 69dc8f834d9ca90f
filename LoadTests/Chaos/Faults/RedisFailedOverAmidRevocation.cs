using LoadTests.Stages;

namespace LoadTests.Chaos.Faults;

/// <summary>The ledger falls back to before a revocation: it gives out a lease whose user has been dropped (L3).</summary>
internal sealed class RedisFailedOverAmidRevocation : Misfortune
{
    public override string Name => "redis-failed-over-amid-revocation";

    public override string What => "a lease is revoked, and a replica of Redis that heard nothing of it takes Redis' place";

    // One for what fell back, and one for the pool that cannot tell which of its leases is good.
    public override int MoreUsers => 2;

    public override bool LosesLedger => true;

    public override IReadOnlyList<string> Refusals => ["ledger-unavailable", "holder-unknown", "database-unavailable"];

    public override StageSettings On(StageSettings stage) => stage with { Ledger = LedgerKind.RedisWithReplica };

    public override async Task HappenAsync(Scene scene, CancellationToken cancellation)
    {
        await scene.Stage.RedisReplica!.CutOffAsync();
        using (scene.LoginsEnd())
        {
            await scene.RevokeAsync(0, cancellation);
            // All have heard of it.
            await scene.LastAsync(TimeSpan.FromSeconds(4), cancellation);
        }

        await scene.Stage.Redis!.StopAsync();
        await scene.Stage.RedisReplica.PromoteAsync();
        await scene.LastAsync(TimeSpan.FromSeconds(10), cancellation);
    }
}
