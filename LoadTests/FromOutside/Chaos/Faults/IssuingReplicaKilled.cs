namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>A crash in the middle of issuing; <c>KilledReplicaTests</c> has every step of it.</summary>
internal sealed class IssuingReplicaKilled : Misfortune
{
    public override string Name => "issuing-replica-killed";

    public override string What => "the replica that is creating a user is killed (SIGKILL) while it does, and started again";

    // Its own may have been made all the same.
    public override int MoreUsers => 1;

    public override async Task HappenAsync(Scene scene, CancellationToken cancellation)
    {
        await scene.Weather.SlowAsync(TimeSpan.FromSeconds(3), cancellation);
        await scene.RotateAsync(0, cancellation);
        await Scene.UntilAsync(() => scene.Weather.IsCreatingAsync(cancellation), "a user to be half created", cancellation);
        using var lame = scene.Lame(0);
        await scene.Stage.Brokers[0].KillAsync();
        await scene.Weather.FineAsync(cancellation);
        await scene.LastAsync(TimeSpan.FromSeconds(8), cancellation);
        await scene.Stage.Brokers[0].StartAgainAsync(cancellation);
    }
}
