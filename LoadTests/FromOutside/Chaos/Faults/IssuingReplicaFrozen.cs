namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>The late writer with an old fencing number (L1).</summary>
internal sealed class IssuingReplicaFrozen : Misfortune
{
    public override string Name => "issuing-replica-frozen";

    public override string What => "the replica that is creating a user stands still (SIGSTOP) until another has issued, and goes on";

    // The frozen replica made its own user; no caller may get it.
    public override int MoreUsers => 1;

    public override async Task HappenAsync(Scene scene, CancellationToken cancellation)
    {
        await scene.Weather.SlowAsync(TimeSpan.FromSeconds(3), cancellation);
        await scene.RotateAsync(0, cancellation);
        await Scene.UntilAsync(() => scene.Weather.IsCreatingAsync(cancellation), "a user to be half created", cancellation);
        using var lame = scene.Lame(0);
        scene.Stage.Brokers[0].Pause();
        try
        {
            await scene.Weather.FineAsync(cancellation);
            await scene.LastAsync(scene.Settings.Freeze, cancellation);
        }
        finally
        {
            scene.Stage.Brokers[0].Resume();
        }

        await scene.LastAsync(TimeSpan.FromSeconds(1), cancellation);
    }
}
