namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>The broker's own rollout.</summary>
internal sealed class ReplicasRolled : Misfortune
{
    public override string Name => "replicas-rolled";

    public override string What => "every replica in turn is asked to end (SIGTERM), ends, and is started again";

    public override async Task HappenAsync(Scene scene, CancellationToken cancellation)
    {
        for (var replica = 0; replica < scene.Stage.Brokers.Count; replica++)
        {
            using var lame = scene.Lame(replica);
            await scene.Stage.Brokers[replica].TerminateAsync();
            await scene.Stage.Brokers[replica].StartAgainAsync(cancellation);
        }
    }
}
