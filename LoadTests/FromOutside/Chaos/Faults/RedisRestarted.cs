namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>A restart that keeps what was written.</summary>
internal sealed class RedisRestarted : Misfortune
{
    public override string Name => "redis-restarted";

    public override string What => "Redis ends and is started again three seconds later with its data";

    public override IReadOnlyList<string> Refusals => ["ledger-unavailable"];

    public override async Task HappenAsync(Scene scene, CancellationToken cancellation)
    {
        await scene.Stage.Ledger!.StopAsync();
        await scene.LastAsync(TimeSpan.FromSeconds(3), cancellation);
        await scene.Stage.Ledger.StartAgainAsync(cancellation);
    }
}
