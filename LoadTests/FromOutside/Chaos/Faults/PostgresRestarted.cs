namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>A restart of the database: every session ends, and the users stay.</summary>
internal sealed class PostgresRestarted : Misfortune
{
    public override string Name => "postgres-restarted";

    public override string What => "PostgreSQL ends all sessions and is started again three seconds later; a lease is to be issued meanwhile";

    public override IReadOnlyList<string> Refusals => ["database-unavailable"];

    public override async Task HappenAsync(Scene scene, CancellationToken cancellation)
    {
        using var away = scene.LoginsEnd();
        await scene.Stage.Postgres.StopAsync();
        await scene.RotateAsync(1, cancellation);
        await scene.LastAsync(TimeSpan.FromSeconds(3), cancellation);
        await scene.Stage.Postgres.StartAgainAsync(cancellation);
    }
}
