using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>
/// The record of a user that is about to be created is not acknowledged before a copy of Redis has it: the server that takes Redis' place knows of it, and no other user is made. It is created when
/// the ledger is back: without it, its replica would drop it again.
/// </summary>
internal sealed class RedisLostAmidIssue : Misfortune
{
    public override string Name => "redis-lost-amid-issue";

    public override string What => "Redis is killed while a user is being created, and its replica, which kept up, takes its place at once";

    public override bool LosesLedger => true;

    public override IReadOnlyList<string> Refusals => ["ledger-unavailable", "holder-unknown", "database-unavailable"];

    public override StageSettings On(StageSettings stage) => WithCopy(stage);

    public override async Task HappenAsync(Scene scene, CancellationToken cancellation)
    {
        await scene.Weather.HoldAsync(cancellation);
        await scene.RotateAsync(0, cancellation);
        await Scene.UntilAsync(() => scene.Weather.IsCreatingAsync(cancellation), "a user to be half created", cancellation);
        await scene.Stage.Ledger!.FailOverAsync(cancellation);
        await scene.LedgerIsBackAsync(cancellation);
        await scene.Weather.FineAsync(cancellation);
        await scene.LastAsync(TimeSpan.FromSeconds(8), cancellation);
    }
}
