namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>A Redis without persistence that is restarted, or FLUSHALL.</summary>
internal sealed class RedisEmptied : Misfortune
{
    public override string Name => "redis-emptied";

    public override string What => "Redis is started again with nothing in it";

    // A pool whose lease no replica remembered.
    public override int MoreUsers => 1;

    public override bool LosesLedger => true;

    public override IReadOnlyList<string> Refusals => ["ledger-unavailable", "holder-unknown", "database-unavailable"];

    public override Task HappenAsync(Scene scene, CancellationToken cancellation) => scene.Stage.Ledger!.RestartEmptyAsync(cancellation);
}
