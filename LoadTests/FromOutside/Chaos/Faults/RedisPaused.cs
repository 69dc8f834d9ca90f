namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>Connections stay open and nothing answers: Redis saves, swaps, or is behind a dead link.</summary>
internal sealed class RedisPaused : Misfortune
{
    public override string Name => "redis-paused";

    public override string What => "Redis stands still (SIGSTOP) and then carries out all that came meanwhile";

    public override IReadOnlyList<string> Refusals => ["ledger-unavailable"];

    public override async Task HappenAsync(Scene scene, CancellationToken cancellation)
    {
        await scene.Stage.Ledger!.PauseAsync();
        try
        {
            await scene.LastAsync(TimeSpan.FromSeconds(8), cancellation);
        }
        finally
        {
            await scene.Stage.Ledger.ResumeAsync();
        }
    }
}
