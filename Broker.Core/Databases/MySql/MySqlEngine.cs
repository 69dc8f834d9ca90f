using System.Globalization;
using Broker.Core.Catalog;
using Broker.Core.Model;
using MySqlConnector;

namespace Broker.Core.Databases.MySql;

/// <summary>
/// MySQL (written for 8.0 and later) and MariaDB (10.4 and later; tried on 10.11). The administrator needs CREATE USER, SELECT on
/// <c>mysql.user</c>, PROCESS, the right to end connections (CONNECTION_ADMIN on both, or <c>mysql.rds_kill</c>), and with
/// GRANT OPTION what its roles' statements grant. <see cref="Database.AdminConnectionString"/> may leave out <c>Server</c> and
/// <c>Port</c>, which then default to those of pods. When the server is full, an administrator with CONNECTION_ADMIN still gets
/// the one extra connection, and through <c>admin_port</c> (MySQL) or <c>extra_port</c> (MariaDB) as many as it likes.
/// A password has no end here: a lease's user works until it is dropped. Nothing has an owner here either, but a definer
/// (<see cref="Definers"/>); <see cref="Role.OwnerRole"/> is refused by the catalog.
/// </summary>
/// <param name="clock">Times the pauses between tries and the wait for sessions to end.</param>
public sealed class MySqlEngine(TimeProvider clock) : IDatabaseEngine, IAsyncDisposable
{
    private readonly AdminConnections admin = new();

    static MySqlEngine() => Ed25519Login.Register();

    /// <inheritdoc/>
    public DatabaseEngineKind Kind => DatabaseEngineKind.MySql;

    /// <summary>Names have 32 characters in MySQL, and more in MariaDB: 32 fit both, so that a server can be migrated.</summary>
    public EngineDialect Dialect { get; } = new(32, [], CapsUsers: true);

    /// <inheritdoc/>
    public Task<ConnectionSample> SampleAsync(Database database, CancellationToken cancellation) =>
        ConnectionCount.TakeAsync(admin, database, cancellation);

    /// <inheritdoc/>
    public Task<IReadOnlyList<OpenSessions>> SessionsAsync(Database database, CancellationToken cancellation) =>
        SessionList.ReadAsync(admin, database, cancellation);

    /// <inheritdoc/>
    public Task<IReadOnlyList<Finding>> ExamineAsync(Database database, IReadOnlyCollection<string> users, CancellationToken cancellation) =>
        Examination.RunAsync(admin, database, users, cancellation);

    /// <inheritdoc/>
    public async Task TryLoginAsync(Database database, Login login, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        try
        {
            // A data source of its own: the driver never forgets plain connection strings, including their passwords.
            await using var source = new MySqlDataSource(PodView.LoginSettings(database, login).ConnectionString);
            await using var connection = await source.OpenConnectionAsync(cancellation);
            await using var command = new MySqlCommand("SELECT 1", connection);
            await command.ExecuteScalarAsync(cancellation);
        }
        catch (Exception exception) when (MySqlFailure.Covers(exception, cancellation))
        {
            throw MySqlFailure.OfLogin(database, login.Username, exception);
        }
    }

    /// <summary>A statement that does nothing, and the administrator's own login where pods connect to the same server.</summary>
    /// <inheritdoc/>
    public async Task RehearseAsync(Database database, CancellationToken cancellation)
    {
        await Statements.RunAsync(database, ["DO 0"], cancellation);
        await UserLimitAsync(database, "nobody", cancellation);
        var settings = AdminConnections.Settings(database);
        var pods = PodView.LoginSettings(database, new("nobody", new("nobody's")));
        if (settings is { UserID.Length: > 0, Password.Length: > 0 } && (settings.Server, settings.Port) == (pods.Server, pods.Port))
            await TryLoginAsync(database, new(settings.UserID, new(settings.Password)), cancellation);
    }

    /// <inheritdoc/>
    public Task CreateUserAsync(Database database, Login login, IReadOnlyList<string> statements, string? ownerRole, CancellationToken cancellation) =>
        Statements.CreateUserAsync(database, login.Username, statements, cancellation);

    /// <summary>Of all accounts of the name, whatever their hosts; each keeps the plugin that it authenticates with (<see cref="Authentication"/>).</summary>
    /// <inheritdoc/>
    public async Task SetPasswordAsync(Database database, Login login, CancellationToken cancellation)
    {
        await using var connection = await admin.OpenForChangeAsync(database, cancellation);
        List<Account> accounts = await Accounts.IsOwnAsync(connection, database, login.Username, cancellation) ? [] : await Accounts.OfAsync(connection, database, login.Username, cancellation);
        if (accounts.Count == 0)
            throw new DatabaseException(
                DatabaseFailure.StatementRefused, $"Database '{database.Name}': there is no user '{login.Username}', or it is the broker's administrator. Create a separate user with the rights that the role needs.");
        var identified = await Authentication.WithAsync(connection, database, login, cancellation);
        foreach (var account in accounts)
            await Statements.RunOneAsync(connection, database, $"ALTER USER {SqlText.Account(account)} {identified[account]} ACCOUNT UNLOCK");
    }

    /// <inheritdoc/>
    public Task RunAsync(Database database, IReadOnlyList<string> statements, CancellationToken cancellation) =>
        Statements.RunAsync(database, statements, cancellation);

    /// <summary>Drops all accounts of a name, whatever their hosts.</summary>
    /// <inheritdoc/>
    public Task DropUserAsync(Database database, string username, IReadOnlyList<string> statements, string? ownerRole, CancellationToken cancellation) =>
        Removal.DropAsync(database, username, statements, cancellation);

    /// <summary>Locks all accounts of a name and ends their sessions, those left from dropped accounts too.</summary>
    /// <inheritdoc/>
    public Task ShutOutAsync(Database database, string username, CancellationToken cancellation) =>
        Removal.ShutOutAsync(database, username, cancellation);

    /// <inheritdoc/>
    public async Task<int?> CountSessionsAsync(Database database, string username, CancellationToken cancellation) =>
        await Removal.CountSessionsAsync(database, username, cancellation);

    /// <summary>
    /// <c>MAX_USER_CONNECTIONS</c> of each account. A cap cannot be 0, which means the server's own <c>max_user_connections</c>: the least is one
    /// connection. That limit may be less than what was granted under a cap, and so no cap is as many as the server has.
    /// </summary>
    /// <inheritdoc/>
    public async Task CapUserAsync(Database database, string username, int? connections, CancellationToken cancellation)
    {
        await using var connection = await admin.OpenForChangeAsync(database, cancellation);
        var cap = connections is { } number ? Math.Max(1, number) : await MostAsync(connection, database, cancellation);
        foreach (var account in await Accounts.OfAsync(connection, database, username, cancellation))
        {
            await Statements.RunOneAsync(connection, database, string.Create(
                CultureInfo.InvariantCulture, $"ALTER USER {SqlText.Account(account)} WITH MAX_USER_CONNECTIONS {cap}"));
        }
    }

    // 0 where the server limits no user: then it has no limit there either.
    private static async Task<long> MostAsync(MySqlConnection connection, Database database, CancellationToken cancellation)
    {
        long most = 0, each = 0;
        await AdminReads.RunAsync(
            connection, database, "SELECT @@global.max_connections, @@global.max_user_connections", row => (most, each) = (row.GetInt64(0), row.GetInt64(1)), cancellation);
        return each == 0 ? 0 : most;
    }

    /// <summary>
    /// The smallest <c>MAX_USER_CONNECTIONS</c> of its accounts, or else the server's <c>max_user_connections</c>, which a cap of the
    /// broker's replaces.
    /// </summary>
    /// <inheritdoc/>
    public async Task<int?> UserLimitAsync(Database database, string username, CancellationToken cancellation)
    {
        await using var connection = await admin.OpenAsync(database, cancellation);
        long own = 0, servers = 0;
        try
        {
            await AdminReads.RunAsync(
                connection,
                database,
                $"SELECT COALESCE(MIN(NULLIF(max_user_connections, 0)), 0) FROM mysql.user WHERE CAST(User AS BINARY) = {SqlText.Bytes(username)} AND Host <> ''",
                row => own = row.GetInt64(0),
                cancellation);
        }
        catch (DatabaseException exception) when (exception.Failure == DatabaseFailure.StatementRefused)
        {
            // It may not read accounts; everybody may read the server's limit for all users.
        }

        await AdminReads.RunAsync(
            connection,
            database,
            "SHOW GLOBAL VARIABLES LIKE 'max_user_connections'",
            row => servers = decimal.TryParse(row.GetString(1), NumberStyles.Integer, CultureInfo.InvariantCulture, out var said) ? (long)Math.Min(said, int.MaxValue) : 0,
            cancellation);
        return own > 0 ? (int)Math.Min(own, int.MaxValue) : servers > 0 && !database.Budget.Enforce ? (int)Math.Min(servers, int.MaxValue) : null;
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<DatabaseUser>> FindUsersAsync(Database database, string prefix, CancellationToken cancellation) =>
        Accounts.FindAsync(admin, database, prefix, cancellation);

    /// <inheritdoc/>
    public ConnectionStrings Describe(Database database, Login login, int connections, string? holder = null) =>
        MySqlConnectionStrings.Of(database, login, connections, holder);

    /// <summary>Closes the administrator connections.</summary>
    public ValueTask DisposeAsync() => admin.DisposeAsync();

    private AccountStatements Statements => new(admin, clock);

    private UserRemoval Removal => new(admin, Statements, clock);
}
