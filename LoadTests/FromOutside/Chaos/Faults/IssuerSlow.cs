namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>The issuer takes its time.</summary>
internal sealed class IssuerSlow : Misfortune
{
    public override string Name => "issuer-slow";

    public override string What => "creating a user takes six seconds, and one is to be created";

    public override async Task HappenAsync(Scene scene, CancellationToken cancellation)
    {
        await scene.Weather.SlowAsync(TimeSpan.FromSeconds(6), cancellation);
        await scene.RotateAsync(0, cancellation);
        await Scene.UntilAsync(() => scene.Weather.IsCreatingAsync(cancellation), "a user to be half created", cancellation);
        await scene.LastAsync(TimeSpan.FromSeconds(7), cancellation);
        await scene.Weather.FineAsync(cancellation);
    }
}
