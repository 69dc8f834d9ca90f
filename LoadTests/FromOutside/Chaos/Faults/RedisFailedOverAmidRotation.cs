using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>The ledger falls back to before a rotation: the lease it knows is over, and the one that everybody moved to it does not know.</summary>
internal sealed class RedisFailedOverAmidRotation : Misfortune
{
    public override string Name => "redis-failed-over-amid-rotation";

    public override string What => "a lease is followed by another, and a replica of Redis that heard nothing of it takes Redis' place";

    // What was issued in these seconds is unknown to it.
    public override int MoreUsers => 1;

    public override bool LosesLedger => true;

    public override IReadOnlyList<string> Refusals => ["ledger-unavailable", "holder-unknown", "database-unavailable"];

    public override StageSettings On(StageSettings stage) => WithCopy(stage);

    public override async Task HappenAsync(Scene scene, CancellationToken cancellation)
    {
        await scene.Stage.Ledger!.CutOffCopyAsync(cancellation);
        await scene.RotateAsync(0, cancellation);
        await scene.LastAsync(TimeSpan.FromSeconds(3), cancellation);
        await scene.Stage.Ledger.FailOverAsync(cancellation);
        await scene.LastAsync(TimeSpan.FromSeconds(8), cancellation);
    }
}
