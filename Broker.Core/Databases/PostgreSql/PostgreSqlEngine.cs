using System.Globalization;
using Broker.Core.Catalog;
using Broker.Core.Model;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// PostgreSQL (written for 11 and later; tried on 15). The administrator needs: to count connections exactly,
/// <c>pg_read_all_stats</c> (in <c>pg_monitor</c>); to create and drop users, <c>CREATEROLE</c>; no superuser.
/// <see cref="Database.AdminConnectionString"/> may leave out <c>Host</c>, <c>Port</c> and <c>Database</c>, which then default
/// to those of pods. Role statements run in the database it names.
/// </summary>
public sealed class PostgreSqlEngine : IDatabaseEngine, IAsyncDisposable
{
    private readonly AdminConnections admin = new();
    private readonly Roles roles;
    private readonly ToldPasswords passwords;
    private readonly TimeProvider clock;

    /// <param name="clock">Times the pauses between tries and the wait for sessions to end.</param>
    public PostgreSqlEngine(TimeProvider clock)
    {
        this.clock = clock;
        roles = new(admin);
        passwords = new(admin);
    }

    /// <inheritdoc/>
    public DatabaseEngineKind Kind => DatabaseEngineKind.PostgreSql;

    /// <inheritdoc/>
    public EngineDialect Dialect { get; } = new(63, ["ALTER ROLE \"{{name}}\" VALID UNTIL '{{expiration}}';"], CapsUsers: true);

    /// <inheritdoc/>
    public async Task<ConnectionSample> SampleAsync(Database database, CancellationToken cancellation)
    {
        var server = await ConnectionCount.TakeAsync(admin, database, cancellation);
        return database.Pooler is null ? server : await PoolerProcesses.CountAsync(database, server, cancellation);
    }

    /// <inheritdoc/>
    public Task<bool> ResizePoolAsync(Database database, int connections, int users, CancellationToken cancellation) =>
        PoolerProcesses.ResizeAsync(database, connections, users, cancellation);

    /// <inheritdoc/>
    public Task<string> VerifierAsync(Database database, Login login, CancellationToken cancellation) => ListedUsers.VerifierAsync(database, login, cancellation);

    /// <inheritdoc/>
    public Task<bool> ReloadPoolerAsync(Database database, CancellationToken cancellation) => PoolerProcesses.ReloadAsync(database, cancellation);

    /// <inheritdoc/>
    public Task WaitForPoolerAsync(Database database, Login login, CancellationToken cancellation) => ListedUsers.WaitAsync(database, login, clock, cancellation);

    /// <inheritdoc/>
    public Task<IReadOnlyList<OpenSessions>> SessionsAsync(Database database, CancellationToken cancellation) =>
        database.Pooler is null ? SessionList.ReadAsync(admin, database, cancellation) : PoolerProcesses.SessionsAsync(database, cancellation);

    /// <inheritdoc/>
    public Task<IReadOnlyList<Finding>> ExamineAsync(Database database, IReadOnlyCollection<string> users, CancellationToken cancellation) =>
        Examination.RunAsync(admin, database, users, cancellation);

    /// <inheritdoc/>
    public async Task TryLoginAsync(Database database, Login login, CancellationToken cancellation)
    {
        try
        {
            // A data source of its own: the driver never forgets plain connection strings, including their passwords.
            await using var source = new Source(PodView.LoginSettings(database, login));
            await using var connection = await source.Connections.OpenConnectionAsync(cancellation);
            await using var command = new NpgsqlCommand("SELECT 1", connection);
            await command.ExecuteNonQueryAsync(cancellation);
        }
        catch (Exception exception) when (PostgreSqlFailure.Covers(exception, cancellation))
        {
            throw PostgreSqlFailure.OfLogin(database, login.Username, exception);
        }
    }

    /// <summary>If the statements contain a role's password, the server is told its verifier, where it takes one.</summary>
    /// <inheritdoc/>
    public Task CreateUserAsync(Database database, Login login, IReadOnlyList<string> statements, string? ownerRole, CancellationToken cancellation) =>
        passwords.RunAsync(
            database,
            login,
            statements,
            told => Transactions.RunAsync(
                database,
                null,
                told,
                cancellation,
                ownerRole is null ? null : async connection =>
                {
                    await OwnerRoles.CheckAsync(connection, database, login.Username, ownerRole, cancellation);
                    return true;
                }),
            cancellation);

    /// <summary>A verifier that nobody is told, an empty transaction, and the administrator's own login if pods connect to the same server.</summary>
    /// <inheritdoc/>
    public async Task RehearseAsync(Database database, CancellationToken cancellation)
    {
        var nobody = new Login("nobody", new("nobody's"));
        await passwords.RunAsync(
            database, nobody, [$"CREATE ROLE nobody LOGIN PASSWORD '{nobody.Password.Reveal()}'"], _ => Transactions.RunAsync(database, null, ["SELECT 1"], cancellation), cancellation);
        await UserLimitAsync(database, nobody.Username, cancellation);
        var settings = AdminConnections.Settings(database);
        if (settings is { Username: { } username, Password: { Length: > 0 } password } && PodView.Of(database).Servers.SequenceEqual(ServerAddress.ListOf(settings.Host!, settings.Port)))
            await TryLoginAsync(database, new(username, new(password)), cancellation);
    }

    /// <summary>The server is told the password's verifier, where it takes one.</summary>
    /// <inheritdoc/>
    public async Task SetPasswordAsync(Database database, Login login, CancellationToken cancellation)
    {
        if (await roles.FindAsync(database, login.Username, cancellation) is not { IsAdministrator: false })
            throw new DatabaseException(
                DatabaseFailure.StatementRefused, $"Database '{database.Name}': there is no user '{login.Username}', or it is the broker's administrator. Create a separate user with the rights that the role needs.");
        var statement = $"ALTER ROLE {SqlText.Identifier(login.Username)} LOGIN PASSWORD '{login.Password.Reveal()}'";
        await passwords.RunAsync(database, login, [statement], told => Transactions.RunAsync(database, null, told, cancellation), cancellation);
    }

    /// <inheritdoc/>
    public Task RunAsync(Database database, IReadOnlyList<string> statements, CancellationToken cancellation) =>
        Transactions.RunAsync(database, null, statements, cancellation);

    /// <summary>
    /// Drops a role: <c>NOLOGIN</c>, then either the given statements, or what it owns handed to the owner role, its rights taken away
    /// in every database of the server, and <c>DROP ROLE</c>.
    /// </summary>
    /// <inheritdoc/>
    public Task DropUserAsync(Database database, string username, IReadOnlyList<string> statements, string? ownerRole, CancellationToken cancellation) =>
        new UserRemoval(admin, Transactions, roles, Lockout).DropAsync(database, username, statements, ownerRole, cancellation);

    /// <inheritdoc/>
    public Task ShutOutAsync(Database database, string username, CancellationToken cancellation) =>
        Lockout.ShutOutAsync(database, username, cancellation);

    /// <inheritdoc/>
    public async Task<int?> CountSessionsAsync(Database database, string username, CancellationToken cancellation) =>
        await Lockout.CountSessionsAsync(database, username, cancellation);

    /// <summary><c>CONNECTION LIMIT</c>; a superuser has none.</summary>
    /// <inheritdoc/>
    public async Task CapUserAsync(Database database, string username, int? connections, CancellationToken cancellation)
    {
        try
        {
            await RunAsync(
                database, [string.Create(CultureInfo.InvariantCulture, $"ALTER ROLE {SqlText.Identifier(username)} CONNECTION LIMIT {connections ?? -1}")], cancellation);
        }
        catch (DatabaseException exception) when (exception.Failure == DatabaseFailure.StatementRefused)
        {
            if ((await FindUsersAsync(database, username, cancellation)).Any(user => user.Username == username)) throw;
        }
    }

    /// <summary><c>CONNECTION LIMIT</c>; a superuser has none. It does not limit a pooler's clients.</summary>
    /// <inheritdoc/>
    public Task<int?> UserLimitAsync(Database database, string username, CancellationToken cancellation) =>
        database.Pooler is not null ? Task.FromResult<int?>(null) : AdminReads.RunAsync<int?>(
            admin,
            database,
            "SELECT rolconnlimit FROM pg_roles WHERE rolname = $1 AND rolconnlimit >= 0 AND NOT rolsuper",
            [new NpgsqlParameter<string> { TypedValue = username }],
            async reader => await reader.ReadAsync(cancellation) ? reader.GetInt32(0) : null,
            cancellation);

    /// <inheritdoc/>
    public Task<IReadOnlyList<DatabaseUser>> FindUsersAsync(Database database, string prefix, CancellationToken cancellation) =>
        AdminReads.RunAsync<IReadOnlyList<DatabaseUser>>(
            admin,
            database,
            $"""
            SELECT r.rolname::text, nullif(r.rolvaliduntil, 'infinity'),
                   (SELECT count(*)::int FROM pg_stat_activity a WHERE a.usesysid = r.oid),
                   {Ownership.Count("r.oid")},
                   {Ownership.Names("r.oid")}
            FROM pg_roles r
            WHERE starts_with(r.rolname::text, $1)
            ORDER BY 1
            """,
            [new NpgsqlParameter<string> { TypedValue = prefix }],
            async reader =>
            {
                var users = new List<DatabaseUser>();
                while (await reader.ReadAsync(cancellation))
                    users.Add(new(
                        reader.GetString(0),
                        await reader.IsDBNullAsync(1, cancellation) ? null : reader.GetFieldValue<DateTimeOffset>(1),
                        reader.GetInt32(2),
                        reader.GetInt32(3),
                        await reader.IsDBNullAsync(4, cancellation) ? null : Ownership.Shortened(reader.GetString(4))));
                return users;
            },
            cancellation);

    /// <inheritdoc/>
    public ConnectionStrings Describe(Database database, Login login, int connections, string? holder = null) =>
        PostgreSqlConnectionStrings.Of(database, login, connections, holder);

    /// <summary>Closes the administrator connections.</summary>
    public ValueTask DisposeAsync() => admin.DisposeAsync();

    private RoleTransactions Transactions => new(admin, clock);

    private Lockout Lockout => new(admin, Transactions, roles, clock);
}
