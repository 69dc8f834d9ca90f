namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>Redis takes no more writes: <c>maxmemory</c> is reached, and nothing may be thrown away.</summary>
internal sealed class RedisFull : Misfortune
{
    public override string Name => "redis-full";

    public override string What => "Redis has no memory left (maxmemory, noeviction) for five seconds";

    public override IReadOnlyList<string> Refusals => ["ledger-unavailable"];

    public override async Task HappenAsync(Scene scene, CancellationToken cancellation)
    {
        await scene.Stage.Ledger!.ExecuteAsync("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1");
        await scene.LastAsync(TimeSpan.FromSeconds(5), cancellation);
        await scene.Stage.Ledger.ExecuteAsync("CONFIG", "SET", "maxmemory", "0");
    }
}
