using System.Data;
using System.Data.Common;
using System.Globalization;
using LoadTests.Servers.Engines;

namespace LoadTests.FromOutside.Rollouts;

/// <summary>
/// Looks at the database itself, five times a second, over one administrator connection: which users there are, and how many
/// connections the pods have. What it counts is what happened, whoever claims what.
/// </summary>
internal sealed class DatabaseWatch : IAsyncDisposable
{
    private static readonly TimeSpan Every = TimeSpan.FromMilliseconds(200);

    private readonly Engine engine;
    private readonly string adminConnectionString;
    private readonly TimeProvider time;
    private readonly CancellationTokenSource stop = new();
    private readonly HashSet<string> usersBefore;
    private readonly HashSet<string> usersSeen = [];
    private readonly List<(TimeSpan Asked, TimeSpan Answered, int Users)> growth = [];
    private readonly long start;
    private DbConnection connection;
    private Task watching = Task.CompletedTask;
    private int before;

    private DatabaseWatch(Engine engine, string adminConnectionString, DbConnection connection, HashSet<string> usersBefore, int limit, TimeProvider time)
    {
        this.engine = engine;
        this.adminConnectionString = adminConnectionString;
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

    /// <summary>The most connections the pods had at two looks in a row: a session that ends takes the server a moment.</summary>
    public int MostConnections { get; private set; }

    /// <summary>Connections the pods have now.</summary>
    public int Connections { get; private set; }

    public static async Task<DatabaseWatch> StartAsync(Engine engine, string adminConnectionString, TimeProvider time, CancellationToken cancellation)
    {
        var connection = engine.Connect(adminConnectionString, "watch");
        try
        {
            await connection.OpenAsync(cancellation);
            await using var ask = connection.CreateCommand();
            ask.CommandText = engine.LimitQuery;
            var limit = Convert.ToInt32(await ask.ExecuteScalarAsync(cancellation), CultureInfo.InvariantCulture);
            var (users, _) = await AskAsync(engine, connection, cancellation);
            var watch = new DatabaseWatch(engine, adminConnectionString, connection, users, limit, time);
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
        if (connection.State != ConnectionState.Open)
            await connection.OpenAsync(CancellationToken.None);
        await LookAsync();
    }

    /// <summary>Whether users came faster at any time than a rate and a burst allow.</summary>
    /// <param name="usersPerSecond">The rate.</param>
    /// <param name="burst">How many at once after a pause.</param>
    /// <param name="inFlight">How many may be between their turn and the database at once, however long that takes on this machine.</param>
    public bool CameFasterThan(double usersPerSecond, int burst, int inFlight)
    {
        for (var first = 0; first < growth.Count; first++)
        {
            for (var last = first + 1; last < growth.Count; last++)
            {
                // What came between two looks had its turn after the first was asked for, or was on its way then, and before the last was answered.
                var seconds = (growth[last].Answered - growth[first].Asked).TotalSeconds;
                if (growth[last].Users - growth[first].Users > burst + inFlight + (usersPerSecond * seconds))
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

    private static async Task<(HashSet<string> Users, int Connections)> AskAsync(Engine engine, DbConnection connection, CancellationToken cancellation)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = engine.WatchQuery;
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var users = new HashSet<string>(StringComparer.Ordinal);
        while (await reader.ReadAsync(cancellation))
            users.Add(reader.GetString(0));
        await reader.NextResultAsync(cancellation);
        await reader.ReadAsync(cancellation);
        return (users, Convert.ToInt32(reader.GetValue(0), CultureInfo.InvariantCulture));
    }

    private async Task WatchAsync()
    {
        try
        {
            while (true)
            {
                if (!await TryLookAsync())
                    await ReplaceConnectionAsync();
                await Task.Delay(Every, time, stop.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // Asked to stop.
        }
    }

    // A database that is away has nothing to show; the last look has to succeed.
    private async Task<bool> TryLookAsync()
    {
        try
        {
            if (connection.State != ConnectionState.Open)
                await connection.OpenAsync(stop.Token);
            await LookAsync();
            return true;
        }
        catch (DbException)
        {
            return false;
        }
    }

    private async Task ReplaceConnectionAsync()
    {
        await connection.DisposeAsync();
        connection = engine.Connect(adminConnectionString, "watch");
    }

    private async Task LookAsync()
    {
        var asked = time.GetElapsedTime(start);
        (var users, Connections) = await AskAsync(engine, connection, CancellationToken.None);
        usersSeen.UnionWith(users);
        MostConnections = Math.Max(MostConnections, Math.Min(before, Connections));
        before = Connections;
        UsersCreated = usersSeen.Count(user => !usersBefore.Contains(user));
        growth.Add((asked, time.GetElapsedTime(start), UsersCreated));
    }
}
