namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>The issuer is there and refuses.</summary>
internal sealed class IssuerFailing : Misfortune
{
    public override string Name => "issuer-failing";

    public override string What => "every creation of a user fails for six seconds, and one is to be created";

    public override IReadOnlyList<string> Refusals => ["issuer-unavailable"];

    public override async Task HappenAsync(Scene scene, CancellationToken cancellation)
    {
        await scene.Weather.BadAsync(cancellation);
        await scene.RotateAsync(0, cancellation);
        await scene.LastAsync(TimeSpan.FromSeconds(6), cancellation);
        await scene.Weather.FineAsync(cancellation);
    }
}
