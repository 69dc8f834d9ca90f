using System.Globalization;
using Npgsql;

namespace LoadTests.Rollouts;

/// <summary>
/// Looks at the database itself, five times a second, over one administrator connection: which users there are, and how many
/// connections the pods have. What it counts is what happened, whoever claims what.
/// </summary>
internal sealed class DatabaseWatch : IAsyncDisposable
{
    private static readonly TimeSpan Every = TimeSpan.FromMilliseconds(200);

    private readonly NpgsqlConnection connection;
    private readonly TimeProvider time;
    private readonly CancellationTokenSource stop = new();
    private readonly HashSet<long> usersBefore;
    private readonly HashSet<long> usersSeen = [];
    private readonly List<(TimeSpan At, int Users)> growth = [];
    private readonly long start;
    private Task watching = Task.CompletedTask;
    private int before;

    private DatabaseWatch(NpgsqlConnection connection, HashSet<long> usersBefore, int limit, TimeProvider time)
    {
        this.connection = connection;
        this.usersBefore = usersBefore;
        this.time = time;
        Limit = limit;
        start = time.GetTimestamp();
    }

    /// <summary>Connections that ordinary users can have: <c>max_connections</c> less the reserved ones.</summary>
    public int Limit { get; }

    /// <summary>Users that were not there at the start.</summary>
    public int UsersCreated { get; private set; }

    /// <summary>The most connections the pods had at two looks in a row: a session that ends takes PostgreSQL a moment.</summary>
    public int MostConnections { get; private set; }

    /// <summary>Connections the pods have now.</summary>
    public int Connections { get; private set; }

    public static async Task<DatabaseWatch> StartAsync(string adminConnectionString, TimeProvider time, CancellationToken cancellation)
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(adminConnectionString) { Pooling = false }.ConnectionString);
        try
        {
            await connection.OpenAsync(cancellation);
            var limit = await AskAsync<int>(
                connection,
                """
                SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
                     - coalesce(current_setting('reserved_connections', true)::int, 0)
                """,
                cancellation);
            var users = (await AskAsync<long[]>(connection, "SELECT array_agg(oid::bigint) FROM pg_roles", cancellation)).ToHashSet();
            var watch = new DatabaseWatch(connection, users, limit, time);
            watch.watching = Task.Run(watch.WatchAsync, CancellationToken.None);
            return watch;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>A last look, and no more.</summary>
    public async Task StopAsync()
    {
        await stop.CancelAsync();
        await watching;
        await LookAsync();
    }

    /// <summary>Whether users came faster at any time than a rate and a burst allow.</summary>
    public bool CameFasterThan(double usersPerSecond, int burst)
    {
        for (var first = 0; first < growth.Count; first++)
        {
            for (var last = first + 1; last < growth.Count; last++)
            {
                // What a look shows may have happened since the look before.
                var seconds = (growth[last].At - growth[first].At + Every + Every).TotalSeconds;
                if (growth[last].Users - growth[first].Users > burst + (usersPerSecond * seconds))
                    return true;
            }
        }

        return false;
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await watching;
        await connection.DisposeAsync();
        stop.Dispose();
    }

    private static async Task<T> AskAsync<T>(NpgsqlConnection connection, string sql, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return (T)(await command.ExecuteScalarAsync(cancellation))!;
    }

    private async Task WatchAsync()
    {
        try
        {
            while (true)
            {
                await LookAsync();
                await Task.Delay(Every, time, stop.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // Asked to stop.
        }
    }

    private async Task LookAsync()
    {
        await using var command = new NpgsqlCommand(
            $"""
            SELECT (SELECT array_agg(oid::bigint) FROM pg_roles),
                   (SELECT count(*) FROM pg_stat_activity WHERE application_name = '{Pod.ApplicationName}')
            """,
            connection);
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();
        usersSeen.UnionWith(reader.GetFieldValue<long[]>(0));
        Connections = Convert.ToInt32(reader.GetInt64(1), CultureInfo.InvariantCulture);
        MostConnections = Math.Max(MostConnections, Math.Min(before, Connections));
        before = Connections;
        UsersCreated = usersSeen.Count(user => !usersBefore.Contains(user));
        growth.Add((time.GetElapsedTime(start), UsersCreated));
    }
}
