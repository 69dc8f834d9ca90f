using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>What waits for a copy of Redis waits a moment, and then for nobody.</summary>
internal sealed class RedisReplicaPaused : Misfortune
{
    public override string Name => "redis-replica-paused";

    public override string What => "Redis' replica stands still (SIGSTOP) for eight seconds, and a lease is to be issued";

    public override StageSettings On(StageSettings stage) => WithCopy(stage);

    public override async Task HappenAsync(Scene scene, CancellationToken cancellation)
    {
        await scene.Stage.Ledger!.PauseCopyAsync();
        try
        {
            await scene.RotateAsync(0, cancellation);
            await scene.LastAsync(TimeSpan.FromSeconds(8), cancellation);
        }
        finally
        {
            await scene.Stage.Ledger.ResumeAsync();
        }
    }
}
