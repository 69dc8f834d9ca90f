using System.Globalization;
using System.Text.RegularExpressions;
using Broker.Core.Catalog;
using Broker.Core.Model;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// The PgBouncer processes of a database's pooler, by their consoles: whose clients are connected, and how many connections to the server
/// they may have. A process that does not answer has no clients, and keeps its part of the pool.
/// </summary>
internal static partial class PoolerProcesses
{
    /// <summary>PgBouncer's word for no limit, in numbers that can be added.</summary>
    private const int Unlimited = 1_000_000;

    /// <summary>Of each process' part: one for its look at who logs in, one for the login of a new user that is tried while the others are busy.</summary>
    private const int KeptForLogins = 2;

    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(5);

    /// <summary>Counts the clients, in place of the server's connections, which stand behind them.</summary>
    /// <exception cref="DatabaseException">No process answers, or one of them has no such database.</exception>
    public static async Task<ConnectionSample> CountAsync(Database database, ConnectionSample server, CancellationToken cancellation)
    {
        var pooler = database.Pooler!;
        var alias = pooler.DatabaseName ?? database.DatabaseName;
        var (answered, silent) = await EachAsync(
            database,
            async (console, token) => (
                Config: await console.AskAsync("SHOW CONFIG", token),
                Databases: await console.AskAsync("SHOW DATABASES", token),
                Clients: await console.AskAsync("SHOW CLIENTS", token)),
            cancellation);
        var allowed = silent * Math.Max(1, pooler.PoolSize / (answered.Count + silent));
        foreach (var process in answered)
        {
            var own = process.Databases.FirstOrDefault(row => row["name"] == alias)
                ?? throw new DatabaseException(DatabaseFailure.StatementRefused, $"Database '{database.Name}': its pooler has no database '{alias}': write it under [databases] in PgBouncer's configuration.");
            allowed += Math.Max(Number(own, "max_connections") is var most and > 0 ? most : Unlimited, Number(own, "current_connections"));
        }

        var limit = answered.Sum(process => process.Config.Where(row => row["key"] == "max_client_conn").Sum(row => Number(row, "value")));
        return new(limit, 0, null, [.. UsersOf(answered.SelectMany(process => Clients(process.Clients, alias)))], server.Server)
        {
            Pool = new(server, Math.Min(allowed, Unlimited)),
        };
    }

    /// <summary>What the pooler's clients do, alike ones together.</summary>
    /// <exception cref="DatabaseException">No process answers.</exception>
    public static async Task<IReadOnlyList<OpenSessions>> SessionsAsync(Database database, CancellationToken cancellation)
    {
        var (answered, _) = await EachAsync(database, (console, token) => console.AskAsync("SHOW CLIENTS", token), cancellation);
        return
        [
            .. answered.SelectMany(clients => Clients(clients, database.Pooler!.DatabaseName ?? database.DatabaseName))
                .GroupBy(client => (User: client["user"], Program: client.GetValueOrDefault("application_name", ""), Address: client["addr"]))
                .Select(alike => new OpenSessions(
                    alike.Key.User, alike.Key.Program, alike.Key.Address, alike.Count(), alike.Count(client => client["link"].Length == 0 && client["state"] != "waiting"), 0, null, null))
                .OrderByDescending(sessions => sessions.Open),
        ];
    }

    /// <summary>
    /// Has the processes keep to so many connections to the server together, shared among so many users. Where less is allowed than before,
    /// a process closes those beyond it as it finds them idle. They are not closed by RECONNECT: when all of a user's close at once and one login to the
    /// server fails in that moment, its clients' statements fail.
    /// </summary>
    /// <returns>Whether anything was changed.</returns>
    /// <exception cref="DatabaseException">A process that answers refuses.</exception>
    public static async Task<bool> ResizeAsync(Database database, int connections, int users, CancellationToken cancellation)
    {
        var alias = database.Pooler!.DatabaseName ?? database.DatabaseName;
        var processes = Consoles(database).Servers.Count;
        var part = Math.Max(1, connections / processes);
        var each = Math.Max(1, (part - KeptForLogins) / Math.Max(1, users));
        var (answered, _) = await EachAsync(
            database,
            async (console, token) =>
            {
                if (await OwnAsync(console) == (part, each)) return false;
                await console.AskAsync(string.Create(CultureInfo.InvariantCulture, $"SET max_db_connections={part}"), token);
                await console.AskAsync(string.Create(CultureInfo.InvariantCulture, $"SET default_pool_size={each}"), token);
                if (await OwnAsync(console) is var now && now != (part, each))
                    throw new DatabaseException(
                        DatabaseFailure.StatementRefused, $"Database '{database.Name}': its pooler has {now.Most} connections in pools of {now.Each} for '{alias}' though it was told {part} and {each}: take pool_size and max_db_connections out of the line of '{alias}' in its configuration.");
                return true;

                async Task<(int Most, int Each)> OwnAsync(PoolerConsole console) =>
                    (await console.AskAsync("SHOW DATABASES", token)).FirstOrDefault(row => row["name"] == alias) is { } own ? (Number(own, "max_connections"), Number(own, "pool_size")) : default;
            },
            cancellation);
        return answered.Contains(true);
    }

    private static IEnumerable<IReadOnlyDictionary<string, string>> Clients(IEnumerable<IReadOnlyDictionary<string, string>> rows, string alias) =>
        rows.Where(row => row["database"] == alias);

    private static IEnumerable<UserConnections> UsersOf(IEnumerable<IReadOnlyDictionary<string, string>> clients) =>
        clients.GroupBy(client => client["user"], StringComparer.Ordinal).Select(user => new UserConnections(user.Key, user.Count(), user.Count())
        {
            Named = user.Select(client => HolderKey().Match(client.GetValueOrDefault("application_name", "")))
                .Where(key => key.Success)
                .GroupBy(key => key.Groups[1].Value, StringComparer.Ordinal)
                .ToDictionary(key => key.Key, key => key.Count(), StringComparer.Ordinal),
        });

    // As ConnectionCount reads it from the server.
    [GeneratedRegex("[^\\n]~([^~]{8})$")]
    private static partial Regex HolderKey();

    private static int Number(IReadOnlyDictionary<string, string> row, string column) =>
        int.TryParse(row.GetValueOrDefault(column), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;

    private static async Task<(IReadOnlyList<T> Answered, int Silent)> EachAsync<T>(Database database, Func<PoolerConsole, CancellationToken, Task<T>> ask, CancellationToken cancellation)
    {
        var (servers, settings) = Consoles(database);
        using var within = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        within.CancelAfter(AnswerWithin);
        var asks = servers.Select(async server =>
        {
            await using var console = await PoolerConsole.OpenAsync(database, server, settings, within.Token);
            return await ask(console, within.Token);
        }).ToArray();
        var answered = new List<T>();
        DatabaseException? silent = null;
        foreach (var one in asks)
        {
            try
            {
                answered.Add(await one);
            }
            catch (DatabaseException exception) when (exception.Failure == DatabaseFailure.Unavailable)
            {
                silent = exception;
            }
            catch (OperationCanceledException exception) when (!cancellation.IsCancellationRequested)
            {
                silent = new(DatabaseFailure.Unavailable, $"Database '{database.Name}': the pooler's console did not answer in time.", exception);
            }
        }

        return answered.Count > 0 ? (answered, servers.Count - answered.Count) : throw silent!;
    }

    private static (IReadOnlyList<ServerAddress> Servers, NpgsqlConnectionStringBuilder Settings) Consoles(Database database)
    {
        var pooler = database.Pooler!;
        try
        {
            var settings = new NpgsqlConnectionStringBuilder(pooler.ConsoleConnectionString.Reveal());
            return (settings.Host is { } hosts ? ServerAddress.ListOf(hosts, settings.Port == NpgsqlConnection.DefaultPort ? pooler.Port : settings.Port) : ServerAddress.ListOf(pooler.Host, pooler.Port), settings);
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException or OverflowException or InvalidCastException)
        {
            // What is wrong in it is not told: it could be the password.
            throw new DatabaseException(DatabaseFailure.Unavailable, $"Database '{database.Name}': Pooler:ConsoleConnectionString is not an Npgsql connection string; write it as Host=…;Port=6432;Username=…;Password=….");
        }
    }
}
