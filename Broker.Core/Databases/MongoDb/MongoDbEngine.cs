using System.Collections.Concurrent;
using Broker.Core.Catalog;
using Broker.Core.Model;
using Microsoft.Extensions.Logging;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Broker.Core.Databases.MongoDb;

/// <summary>
/// MongoDB (written for 5.0 and later, and for servers that speak its protocol: a feature that they lack is logged once and done
/// without). The administrator needs <c>userAdminAnyDatabase</c> (or <c>userAdmin</c> on <see cref="Database.AuthSource"/>),
/// <c>clusterMonitor</c> to count connections and their users, and <c>killAnySession</c> (in <c>hostManager</c>) to end sessions.
/// A password has no end here, and a user's connections cannot be capped: only <c>maxPoolSize</c> in the URI bounds a pod.
/// Each driver keeps one or two more connections per server to watch it; they are nobody's, and count as foreign.
/// </summary>
/// <param name="log">Where a limitation of a server is said.</param>
/// <param name="clock">Times how long a client that is no longer used is kept.</param>
public sealed class MongoDbEngine(ILogger<MongoDbEngine> log, TimeProvider clock) : IDatabaseEngine, IDisposable
{
    private readonly AdminClients admin = new(clock);
    private readonly ConcurrentDictionary<(string Database, int What), bool> said = new();

    /// <inheritdoc/>
    public DatabaseEngineKind Kind => DatabaseEngineKind.MongoDb;

    /// <inheritdoc/>
    public EngineDialect Dialect { get; } = new(63, [], CapsUsers: false);

    /// <inheritdoc/>
    public async Task<ConnectionSample> SampleAsync(Database database, CancellationToken cancellation)
    {
        var (status, users) = await ConnectionsAsync(database, cancellation);
        // If the server does not say, a ceiling that was configured before there was a setting for the limit serves as the limit.
        var limit = status is null && database.Budget is { Limit: null, Ceiling: { } ceiling } ? ceiling : ServerLimit.Of(database, status?.Limit, "serverStatus.connections");
        if (status is null && IsNew(database, 2300)) log.NoConnectionCount(database.Name, limit);
        if (status is null && users is null && IsNew(database, 2303)) log.NoConnectionsSeen(database.Name);
        return ConnectionCount.Sample(status, users ?? [], limit) with
        {
            Server = await IdentityAsync(database, cancellation),
            ShowsConnections = status is not null || users is not null,
        };
    }

    /// <summary>
    /// Whether the server shows connections. Nothing else: a user's rights here are its own roles, and no list of them grows with the number of users.
    /// </summary>
    /// <inheritdoc/>
    public async Task<IReadOnlyList<Finding>> ExamineAsync(Database database, IReadOnlyCollection<string> users, CancellationToken cancellation) =>
        await ConnectionsAsync(database, cancellation) is not (null, null) ? [] :
        [
            new(
                FindingKind.Warning,
                "The server shows none of its connections",
                "It answers neither serverStatus.connections nor $currentOp, so the broker counts only what it promised itself: what other applications have open is not seen, and neither is what a holder closed that ended without releasing.",
                $"\"Budget\": {{ \"Limit\": {database.Budget.Limit ?? database.Budget.Ceiling ?? 100}, \"CeilingPercent\": 70 }}   // leave the rest to other applications"),
        ];

    /// <summary>Empty when the server does not say.</summary>
    /// <inheritdoc/>
    public async Task<IReadOnlyList<OpenSessions>> SessionsAsync(Database database, CancellationToken cancellation)
    {
        try
        {
            return await admin.RunAsync(database, "admin", SessionList.Command, SessionList.Read, cancellation);
        }
        catch (DatabaseException exception) when (MongoFailure.IsNotOffered(exception))
        {
            return [];
        }
    }

    /// <inheritdoc/>
    public async Task TryLoginAsync(Database database, Login login, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        try
        {
            var settings = LoginSettings(database, login);
            settings.ApplicationName = OwnConnections.ProgramName;
            settings.ServerSelectionTimeout = AdminClients.ConnectWithin;
            settings.ConnectTimeout = AdminClients.ConnectWithin;
            settings.SocketTimeout = AdminClients.ConnectWithin;
            using var client = new MongoClient(settings);
            await client.GetDatabase(database.DatabaseName).RunCommandAsync<BsonDocument>(new BsonDocument("ping", 1), cancellationToken: cancellation);
        }
        catch (Exception exception) when (MongoFailure.Covers(exception, cancellation))
        {
            throw MongoFailure.OfLogin(database, login.Username, exception);
        }
    }

    /// <inheritdoc/>
    public async Task CreateUserAsync(Database database, Login login, IReadOnlyList<string> statements, string? ownerRole, CancellationToken cancellation)
    {
        var statement = Parsed(database, () => UserStatement.OfCreation(statements));
        if (statement.Database != database.AuthSource)
            throw new DatabaseException(
                DatabaseFailure.StatementRefused,
                $"Database '{database.Name}': CreationStatements make the user in '{statement.Database}', but AuthSource is '{database.AuthSource}'; write the same in both.");
        await admin.ChangeAsync(database, statement.Database, UserCommands.Create(login, statement), cancellation);
    }

    /// <summary>Runs commands, each a JSON document, on <see cref="Database.AuthSource"/>, one after the other.</summary>
    /// <inheritdoc/>
    public async Task RunAsync(Database database, IReadOnlyList<string> statements, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        var commands = statements.Select(statement => Parsed(database, () => BsonDocument.Parse(statement))).ToList();
        foreach (var command in commands)
            await admin.ChangeAsync(database, database.AuthSource, command, cancellation);
    }

    /// <summary>
    /// Takes a user's password and roles away, and ends its operations, whether or not the first step was allowed. Its connections stay
    /// open until their drivers close them, but can do nothing, unless the server cannot take roles away (FerretDB): then they can, until the user is dropped. A mongos other than the one that
    /// was told lets them go on for up to half a minute (<c>userCacheInvalidationIntervalSecs</c>).
    /// </summary>
    /// <inheritdoc/>
    public async Task ShutOutAsync(Database database, string username, CancellationToken cancellation)
    {
        await RefuseOwnAsync(database, username, cancellation);
        DatabaseException? refused;
        var left = "it can no longer log in, but connections that are open keep their rights";
        try
        {
            refused = await DisarmAsync(database, username, cancellation);
        }
        catch (DatabaseException exception) when (exception.Failure == DatabaseFailure.StatementRefused)
        {
            (refused, left) = (exception, "it can still log in");
        }

        await EndOperationsAsync(database, username, cancellation);
        if (refused is not null)
            throw new DatabaseException(refused.Failure, $"Its running operations were told to end; {left}: {refused.Message}");
    }

    /// <summary>
    /// Its operations under way: connections of a user that is gone can begin nothing new. Null when the server does not
    /// say.
    /// </summary>
    /// <inheritdoc/>
    public async Task<int?> CountSessionsAsync(Database database, string username, CancellationToken cancellation)
    {
        try
        {
            return await admin.RunAsync(database, "admin", ConnectionCount.OperationsCommand(username), static reply => (int?)ConnectionCount.ReadOperations(reply), cancellation);
        }
        catch (DatabaseException exception) when (MongoFailure.IsNotOffered(exception))
        {
            return null;
        }
    }

    /// <summary>Drops a user. Of a role's statement only <c>db</c> counts, as in Vault.</summary>
    /// <inheritdoc/>
    public async Task DropUserAsync(Database database, string username, IReadOnlyList<string> statements, string? ownerRole, CancellationToken cancellation)
    {
        await RefuseOwnAsync(database, username, cancellation);
        if (!(await NamesAsync(database, username, cancellation)).Contains(username)) return;
        var on = statements.Count == 0 ? database.AuthSource : Parsed(database, () => UserStatement.Parse(statements[0])).Database;
        await ChangedAsync(database, on, UserCommands.Drop(username), cancellation);
    }

    /// <inheritdoc/>
    public Task CapUserAsync(Database database, string username, int? connections, CancellationToken cancellation) =>
        Task.FromException(new NotSupportedException("MongoDB cannot cap a user's connections."));

    /// <summary>MongoDB has no such limit.</summary>
    /// <inheritdoc/>
    public Task<int?> UserLimitAsync(Database database, string username, CancellationToken cancellation) => Task.FromResult<int?>(null);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<DatabaseUser>> FindUsersAsync(Database database, string prefix, CancellationToken cancellation)
    {
        var names = await NamesAsync(database, prefix, cancellation);
        if (names.Count == 0) return [];
        var open = await UsersAsync(database, cancellation) ?? [];
        return [.. names.Select(name => new DatabaseUser(name, ValidUntil: null, open.Where(user => user.Username == name).Sum(user => user.Open)))];
    }

    /// <inheritdoc/>
    public ConnectionStrings Describe(Database database, Login login, int connections, string? holder = null) =>
        MongoConnectionStrings.Of(database, login, connections, holder);

    /// <summary>Closes the administrator connections.</summary>
    public void Dispose() => admin.Dispose();

    // Takes password and roles away. Not null: the server takes the password alone, because the administrator may not take roles.
    private async Task<DatabaseException?> DisarmAsync(Database database, string username, CancellationToken cancellation)
    {
        var password = Passwords.New();
        try
        {
            await ChangedAsync(database, database.AuthSource, UserCommands.Disarm(username, password), cancellation);
            return null;
        }
        catch (DatabaseException exception) when (exception.Failure == DatabaseFailure.StatementRefused)
        {
            if (!await ChangedAsync(database, database.AuthSource, UserCommands.NewPassword(username, password), cancellation)) return null;
            if (MongoFailure.IsNotAllowed(exception)) return exception;

            // DocumentDB, and with it FerretDB 2, changes no roles: it refuses the whole command.
            log.RolesNotTaken(database.Name, username, exception.Message);
            return null;
        }
    }

    private async Task EndOperationsAsync(Database database, string username, CancellationToken cancellation)
    {
        try
        {
            await admin.RunAsync(database, "admin", UserCommands.KillSessions(username, database.AuthSource), cancellation);
        }
        catch (DatabaseException exception) when (MongoFailure.IsNotOffered(exception))
        {
            log.SessionsNotEnded(database.Name, username, exception.Message);
        }
    }

    // It connects like pods, but with the broker's own files and way through the network: it verifies no more than its administrator's connection does.
    internal static MongoClientSettings LoginSettings(Database database, Login login)
    {
        var options = UriOptions.Of(database);
        var mode = database.Pods.SslMode is { } pods and >= PodSslMode.Require
            ? (PodSslMode)Math.Max((int)PodSslMode.Require, Math.Min((int)pods, (int)(options.Ssl ?? PodSslMode.Disable)))
            : database.Pods.SslMode;
        var settings = MongoClientSettings.FromConnectionString(
            MongoConnectionStrings.Of(database with { Pods = database.Pods with { SslMode = mode } }, login, 1, null).Of(MongoConnectionStrings.Own));
        if (settings.UseTls) TlsFiles.Apply(database, settings, options);
        settings.Socks5ProxySettings = MongoClientSettings.FromUrl(AdminClients.Settings(database)).Socks5ProxySettings;
        return settings;
    }

    private async Task<((int Current, int Limit)? Status, IReadOnlyList<UserConnections>? Users)> ConnectionsAsync(Database database, CancellationToken cancellation)
    {
        var status = await StatusAsync(database, cancellation);
        return (status, await UsersAsync(database, cancellation, isCounted: status is not null));
    }

    // Null: the server does not say. That the administrator may not ask has to be mended, and is not passed over.
    private async Task<(int Current, int Limit)?> StatusAsync(Database database, CancellationToken cancellation)
    {
        try
        {
            return await admin.RunAsync(database, "admin", ConnectionCount.StatusCommand, ConnectionCount.ReadStatus, cancellation);
        }
        catch (DatabaseException exception) when (MongoFailure.IsUnknownCommand(exception))
        {
            return null;
        }
    }

    // Null: the server does not say.
    private async Task<IReadOnlyList<UserConnections>?> UsersAsync(Database database, CancellationToken cancellation, bool isCounted = false)
    {
        try
        {
            return await admin.RunAsync(database, "admin", ConnectionCount.UsersCommand, ConnectionCount.ReadUsers, cancellation);
        }
        catch (DatabaseException exception) when (MongoFailure.IsNotOffered(exception))
        {
            if (isCounted && IsNew(database, 2301)) log.NoUsersOfConnections(database.Name, exception.Message);
            return null;
        }
    }

    private async Task<string?> IdentityAsync(Database database, CancellationToken cancellation)
    {
        try
        {
            return await admin.RunAsync(database, "admin", ServerIdentity.Command, ServerIdentity.Read, cancellation);
        }
        catch (DatabaseException exception) when (MongoFailure.IsNotOffered(exception))
        {
            return null;
        }
    }

    private Task<IReadOnlyList<string>> NamesAsync(Database database, string prefix, CancellationToken cancellation) =>
        admin.RunAsync(database, database.AuthSource, UserCommands.List, reply => UserCommands.ReadNames(reply, prefix), cancellation);

    // False: there is no such user.
    private async Task<bool> ChangedAsync(Database database, string on, BsonDocument command, CancellationToken cancellation)
    {
        try
        {
            await admin.ChangeAsync(database, on, command, cancellation);
            return true;
        }
        catch (DatabaseException exception) when (MongoFailure.IsUserNotFound(exception))
        {
            return false;
        }
    }

    private async Task RefuseOwnAsync(Database database, string username, CancellationToken cancellation)
    {
        if (await admin.OwnNameAsync(database, cancellation) == username)
            throw new DatabaseException(
                DatabaseFailure.StatementRefused,
                $"Database '{database.Name}': '{username}' is the broker's own administrator and is not dropped; use a separate user for AdminConnectionString.");
    }

    private static T Parsed<T>(Database database, Func<T> parse)
    {
        try
        {
            return parse();
        }
        catch (FormatException exception)
        {
            throw new DatabaseException(
                DatabaseFailure.StatementRefused,
                $"Database '{database.Name}': MongoDB does not accept the statement ({exception.Message}); write {{\"db\":\"{database.AuthSource}\",\"roles\":[{{\"role\":\"readWrite\",\"db\":\"{database.DatabaseName}\"}}]}}.");
        }
    }

    private bool IsNew(Database database, int what) => said.TryAdd((database.Name, what), true);
}
