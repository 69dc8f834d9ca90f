using System.Globalization;
using System.Text.RegularExpressions;
using Broker.Core.Catalog;
using Broker.Core.Model;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// The PgBouncer processes of a database's pooler, by their consoles: which clients are connected, and how many connections to the server
/// they may have. A process that does not answer has no clients, and keeps its part of the pool.
/// </summary>
internal static partial class PoolerProcesses
{
    /// <summary>PgBouncer's word for no limit, in numbers that can be added.</summary>
    private const int Unlimited = 1_000_000;

    /// <summary>Taken from each process' part: one connection for looking up users that log in, one for the trial login of a new user while the others are busy.</summary>
    private const int KeptForLogins = 2;

    /// <summary>How long to wait for a process.</summary>
    public static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(5);

    /// <summary>Counts the clients instead of the server's connections behind them.</summary>
    /// <exception cref="DatabaseException">No process answers, or one of them has no such database, or keeps a connection for each client.</exception>
    public static async Task<ConnectionSample> CountAsync(Database database, ConnectionSample server, CancellationToken cancellation)
    {
        var pooler = database.Pooler!;
        var alias = pooler.DatabaseName ?? database.DatabaseName;
        var (answered, silent) = await EachAsync(
            database,
            async (console, token) => (
                Config: await console.AskAsync(token, "SHOW CONFIG"),
                Databases: await console.AskAsync(token, "SHOW DATABASES"),
                Clients: await console.AskAsync(token, "SHOW CLIENTS")),
            cancellation);
        var allowed = silent.Count * Math.Max(1, pooler.PoolSize / (answered.Count + silent.Count));
        var processes = new Dictionary<ServerAddress, PoolerProcess>();
        foreach (var (address, why) in silent) processes[address] = new(address.ToString(), "", 0, 0, 0, 0, why.Message);
        foreach (var (address, process) in answered)
        {
            var own = process.Databases.FirstOrDefault(row => row["name"] == alias)
                ?? throw new DatabaseException(DatabaseFailure.StatementRefused, $"Database '{database.Name}': its pooler has no database '{alias}': write it under [databases] in PgBouncer's configuration.");
            var (most, open) = (Number(own, "max_connections") is var set and > 0 ? set : Unlimited, Number(own, "current_connections"));
            allowed += Math.Max(most, open);
            var mode = own.GetValueOrDefault("pool_mode") is { Length: > 0 } said ? said : process.Config.FirstOrDefault(row => row["key"] == "pool_mode")?["value"] ?? "";
            // The broker promises clients, of which there are more than the server's connections: in any other mode each keeps one while it is connected.
            if (mode is not ("transaction" or "statement"))
                throw new DatabaseException(
                    DatabaseFailure.StatementRefused, $"Database '{database.Name}': its pooler at {address} has pool_mode = {mode} for '{alias}', in which each client keeps one of the server's connections, and the broker would promise more than there are: write pool_mode = transaction into PgBouncer's configuration.");
            var clients = Clients(process.Clients, alias).ToArray();
            processes[address] = new(address.ToString(), mode, most, open, clients.Length, clients.Count(client => client["state"] == "waiting"));
        }

        var limit = answered.Sum(process => process.Answer.Config.Where(row => row["key"] == "max_client_conn").Sum(row => Number(row, "value")));
        return new(limit, 0, null, [.. UsersOf(answered.SelectMany(process => Clients(process.Answer.Clients, alias)))], server.Server)
        {
            Pool = new(server, Math.Min(allowed, Unlimited)) { Processes = [.. Consoles(database).Servers.Select(of => processes[of])] },
        };
    }

    /// <summary>The activity of the pooler's clients, grouped by what they have in common.</summary>
    /// <exception cref="DatabaseException">No process answers.</exception>
    public static async Task<IReadOnlyList<OpenSessions>> SessionsAsync(Database database, CancellationToken cancellation)
    {
        var (answered, _) = await EachAsync(database, (console, token) => console.AskAsync(token, "SHOW CLIENTS"), cancellation);
        return
        [
            .. answered.SelectMany(process => Clients(process.Answer, database.Pooler!.DatabaseName ?? database.DatabaseName))
                .GroupBy(client => (User: client["user"], Program: client.GetValueOrDefault("application_name", ""), Address: client["addr"]))
                .Select(alike => new OpenSessions(
                    alike.Key.User, alike.Key.Program, alike.Key.Address, alike.Count(), alike.Count(client => client["link"].Length == 0 && client["state"] != "waiting"), 0, null, null))
                .OrderByDescending(sessions => sessions.Open),
        ];
    }

    /// <summary>
    /// Makes the processes keep to this many connections to the server together, shared among this many users. When less is allowed than before,
    /// a process closes the excess connections when they become idle. RECONNECT is not used: when all of a user's close at once and one login to the
    /// server fails in that moment, its clients' statements fail.
    /// </summary>
    /// <returns>Whether anything was changed.</returns>
    /// <exception cref="DatabaseException">A process that answers refuses, or there are more processes than connections: each has been told to have one.</exception>
    public static async Task<bool> ResizeAsync(Database database, int connections, int users, CancellationToken cancellation)
    {
        var alias = database.Pooler!.DatabaseName ?? database.DatabaseName;
        var processes = Consoles(database).Servers.Count;
        // 0 would be no limit: a process has one connection at least, which the next count reserves on the server.
        var part = Math.Max(1, connections / processes);
        var each = Math.Max(1, (part - KeptForLogins) / Math.Max(1, users));
        var (answered, _) = await EachAsync(
            database,
            async (console, token) =>
            {
                if (await OwnAsync(console) == (part, each)) return false;
                await console.AskAsync(token, $"SET max_db_connections={Text(part)}", $"SET default_pool_size={Text(each)}");
                if (await OwnAsync(console) is var now && now != (part, each))
                    throw new DatabaseException(
                        DatabaseFailure.StatementRefused, $"Database '{database.Name}': its pooler has {now.Most} connections in pools of {now.Each} for '{alias}' though it was told {part} and {each}: remove pool_size and max_db_connections from the line of '{alias}' in its configuration.");
                return true;

                async Task<(int Most, int Each)> OwnAsync(PoolerConsole console) =>
                    (await console.AskAsync(token, "SHOW DATABASES")).FirstOrDefault(row => row["name"] == alias) is { } own ? (Number(own, "max_connections"), Number(own, "pool_size")) : default;
            },
            cancellation);
        if (connections < processes)
            throw new DatabaseException(
                DatabaseFailure.StatementRefused, $"Database '{database.Name}': the server has room for {connections} connections of its pooler, which has {processes} processes and so opens up to {processes}: make room on the server, or run fewer processes.");
        return answered.Any(process => process.Answer);
    }

    /// <summary>
    /// Makes the processes read their files anew. That resets the sizes they were told to those of the files, so they are told their former sizes in the same
    /// piece, so that no connection is opened in between.
    /// </summary>
    /// <returns>Whether all of them answered.</returns>
    /// <exception cref="DatabaseException">None answers, or one that does refuses.</exception>
    public static async Task<bool> ReloadAsync(Database database, CancellationToken cancellation) => (await EachAsync(
        database,
        async (console, token) =>
        {
            await ReloadAsync(console, token);
            return true;
        },
        cancellation)).Silent.Count == 0;

    /// <summary>Makes one process read its file anew, like <see cref="ReloadAsync(Database, CancellationToken)"/>.</summary>
    public static async Task ReloadAsync(PoolerConsole console, CancellationToken cancellation)
    {
        var config = (await console.AskAsync(cancellation, "SHOW CONFIG")).ToDictionary(row => row["key"], row => Number(row, "value"), StringComparer.Ordinal);
        await console.AskAsync(cancellation, "RELOAD", $"SET max_db_connections={Text(config["max_db_connections"])}", $"SET default_pool_size={Text(config["default_pool_size"])}");
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

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

    private static Task<PoolerAnswers<T>> EachAsync<T>(
        Database database, Func<PoolerConsole, CancellationToken, Task<T>> ask, CancellationToken cancellation) => EachAsync(
            database,
            AnswerWithin,
            async (server, settings, token) =>
            {
                await using var console = await PoolerConsole.OpenAsync(database, server, settings, token);
                return await ask(console, token);
            },
            cancellation);

    /// <summary>Asks every process something, all at once.</summary>
    /// <exception cref="DatabaseException">No process answers, or one that does refuses.</exception>
    public static async Task<PoolerAnswers<T>> EachAsync<T>(
        Database database, TimeSpan answerWithin, Func<ServerAddress, NpgsqlConnectionStringBuilder, CancellationToken, Task<T>> ask, CancellationToken cancellation)
    {
        var (servers, settings) = Consoles(database);
        using var within = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        within.CancelAfter(answerWithin);
        var asks = servers.Select(server => (Server: server, Answer: ask(server, settings, within.Token))).ToArray();
        var answered = new List<(ServerAddress, T)>();
        var silent = new List<(ServerAddress, DatabaseException Why)>();
        foreach (var (server, answer) in asks)
        {
            try
            {
                answered.Add((server, await answer));
            }
            catch (DatabaseException exception) when (exception.Failure == DatabaseFailure.Unavailable)
            {
                silent.Add((server, exception));
            }
            catch (OperationCanceledException exception) when (!cancellation.IsCancellationRequested)
            {
                silent.Add((server, new(DatabaseFailure.Unavailable, $"Database '{database.Name}': its pooler at {server} did not answer in time.", exception)));
            }
        }

        return answered.Count > 0 ? new(answered, silent) : throw silent[^1].Why;
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
            // The mistake in it is not reported: it could be the password.
            throw new DatabaseException(DatabaseFailure.Unavailable, $"Database '{database.Name}': Pooler:ConsoleConnectionString is not an Npgsql connection string; write it as Host=…;Port=6432;Username=…;Password=….");
        }
    }
}

/// <summary>The answers of a pooler's processes, and which did not answer.</summary>
internal sealed record PoolerAnswers<T>(IReadOnlyList<(ServerAddress Server, T Answer)> Answered, IReadOnlyList<(ServerAddress Server, DatabaseException Why)> Silent);
