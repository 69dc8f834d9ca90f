namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>A crash, or a lost node.</summary>
internal sealed class ReplicaKilled : Misfortune
{
    public override string Name => "replica-killed";

    public override string What => "a replica is killed (SIGKILL) and started again five seconds later";

    public override async Task HappenAsync(Scene scene, CancellationToken cancellation)
    {
        using var lame = scene.Lame(0);
        await scene.Stage.Brokers[0].KillAsync();
        await scene.LastAsync(TimeSpan.FromSeconds(5), cancellation);
        await scene.Stage.Brokers[0].StartAgainAsync(cancellation);
    }
}
