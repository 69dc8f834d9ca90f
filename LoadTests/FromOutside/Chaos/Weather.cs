using Npgsql;

namespace LoadTests.FromOutside.Chaos;

/// <summary>
/// What befalls users while they are created: the role's own statements ask the database, in the same transaction, so the real
/// issuer is slow, fails, or loses its session there. The database keeps a list of the users it made.
/// </summary>
internal sealed class Weather(string adminConnectionString)
{
    /// <summary>What the role's statements end with.</summary>
    public static readonly IReadOnlyList<string> CreationStatements = ["INSERT INTO weather.made VALUES ('{{name}}')", "CALL weather.strikes()"];

    private const string Setup =
        """
        CREATE SCHEMA weather;
        CREATE TABLE weather.made (name text);
        CREATE TABLE weather.today (kind text, seconds float);
        CREATE PROCEDURE weather.strikes() LANGUAGE plpgsql AS $$
        DECLARE day weather.today;
        BEGIN
            SELECT * INTO day FROM weather.today;
            IF day.kind = 'slow' THEN PERFORM pg_sleep(day.seconds); END IF;
            IF day.kind = 'waits' THEN WHILE EXISTS (SELECT FROM weather.today WHERE kind = 'waits') LOOP PERFORM pg_sleep(0.05); END LOOP; END IF;
            IF day.kind = 'fails' THEN RAISE EXCEPTION 'the weather is bad'; END IF;
            IF day.kind = 'dies' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
        END $$;
        """;

    public Task SetUpAsync(CancellationToken cancellation) => ExecuteAsync(Setup, cancellation);

    public Task SlowAsync(TimeSpan by, CancellationToken cancellation) => BecomeAsync("slow", by, cancellation);

    /// <summary>The statements take until it is fine again.</summary>
    public Task HoldAsync(CancellationToken cancellation) => BecomeAsync("waits", TimeSpan.Zero, cancellation);

    /// <summary>The database refuses the statements.</summary>
    public Task BadAsync(CancellationToken cancellation) => BecomeAsync("fails", TimeSpan.Zero, cancellation);

    /// <summary>The database ends the session in the middle of it.</summary>
    public Task DeadlyAsync(CancellationToken cancellation) => BecomeAsync("dies", TimeSpan.Zero, cancellation);

    public Task FineAsync(CancellationToken cancellation) => ExecuteAsync("DELETE FROM weather.today", cancellation);

    /// <summary>Whether a user is being created at this moment.</summary>
    public async Task<bool> IsCreatingAsync(CancellationToken cancellation) =>
        await ScalarAsync<long>("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%weather.strikes%' AND state = 'active' AND pid <> pg_backend_pid()", cancellation) > 0;

    /// <summary>How many users were ever made.</summary>
    public Task<long> UsersMadeAsync(CancellationToken cancellation) => ScalarAsync<long>("SELECT count(*) FROM weather.made", cancellation);

    /// <summary>The users there are now that were made by an issuer of the role's.</summary>
    public Task<string[]> UsersAsync(CancellationToken cancellation) =>
        ScalarAsync<string[]>("SELECT coalesce(array_agg(rolname::text), '{}') FROM pg_roles JOIN weather.made ON name = rolname", cancellation);

    public async Task ExecuteAsync(string sql, CancellationToken cancellation)
    {
        await using var connection = await OpenAsync(cancellation);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellation);
    }

    public async Task<T> ScalarAsync<T>(string sql, CancellationToken cancellation)
    {
        await using var connection = await OpenAsync(cancellation);
        await using var command = new NpgsqlCommand(sql, connection);
        return (T)(await command.ExecuteScalarAsync(cancellation))!;
    }

    private Task BecomeAsync(string kind, TimeSpan by, CancellationToken cancellation) => ExecuteAsync(
        $"DELETE FROM weather.today; INSERT INTO weather.today VALUES ('{kind}', {by.TotalSeconds.ToString(System.Globalization.CultureInfo.InvariantCulture)})", cancellation);

    private async Task<NpgsqlConnection> OpenAsync(CancellationToken cancellation)
    {
        var connection = new NpgsqlConnection(adminConnectionString + ";Pooling=false");
        try
        {
            await connection.OpenAsync(cancellation);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }
}
