namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>The issuer's session with the database ends in the middle of creating a user.</summary>
internal sealed class IssuerSessionKilled : Misfortune
{
    public override string Name => "issuer-session-killed";

    public override string What => "the database ends the session of whoever creates a user, for six seconds, and one is to be created";

    public override IReadOnlyList<string> Refusals => ["issuer-unavailable", "database-unavailable"];

    public override async Task HappenAsync(Scene scene, CancellationToken cancellation)
    {
        await scene.Weather.DeadlyAsync(cancellation);
        await scene.RotateAsync(0, cancellation);
        await scene.LastAsync(TimeSpan.FromSeconds(6), cancellation);
        await scene.Weather.FineAsync(cancellation);
    }
}
