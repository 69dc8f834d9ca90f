using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>Replication is asynchronous: a replica that takes over may lack what was answered last.</summary>
internal sealed class RedisFailedOver : Misfortune
{
    public override string Name => "redis-failed-over";

    public override string What => "Redis is lost and its replica, which heard nothing for three seconds, takes its place";

    // What was issued in these seconds is unknown to it.
    public override int MoreUsers => 1;

    public override bool LosesLedger => true;

    public override IReadOnlyList<string> Refusals => ["ledger-unavailable", "holder-unknown", "database-unavailable"];

    public override StageSettings On(StageSettings stage) => WithCopy(stage);

    public override async Task HappenAsync(Scene scene, CancellationToken cancellation)
    {
        await scene.Stage.Ledger!.CutOffCopyAsync(cancellation);
        await scene.LastAsync(TimeSpan.FromSeconds(3), cancellation);
        await scene.Stage.Ledger.FailOverAsync(cancellation);
        await scene.LastAsync(TimeSpan.FromSeconds(5), cancellation);
    }
}
