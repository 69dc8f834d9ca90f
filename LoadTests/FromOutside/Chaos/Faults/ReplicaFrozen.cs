namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>A stop of the virtual machine, a swap storm, a debugger.</summary>
internal sealed class ReplicaFrozen : Misfortune
{
    public override string Name => "replica-frozen";

    public override string What => "a replica stands still (SIGSTOP) and goes on with what it believed";

    // The calls that it held come to a ledger that has moved on.
    public override async Task HappenAsync(Scene scene, CancellationToken cancellation)
    {
        using var lame = scene.Lame(0);
        scene.Stage.Brokers[0].Pause();
        try
        {
            await scene.LastAsync(scene.Settings.Freeze, cancellation);
        }
        finally
        {
            scene.Stage.Brokers[0].Resume();
        }

        await scene.LastAsync(TimeSpan.FromSeconds(1), cancellation);
    }
}
