using System.Globalization;
using Broker.Core.Catalog;
using Broker.Core.Model;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// PostgreSQL (written for 11 and later; tried on 15). The administrator needs: to count connections exactly,
/// <c>pg_read_all_stats</c> (in <c>pg_monitor</c>); to create and drop users, <c>CREATEROLE</c>; no superuser.
/// <see cref="Database.AdminConnectionString"/> may leave out <c>Host</c>, <c>Port</c> and <c>Database</c>: they are then
/// those that pods use. Role statements run in the database it names.
/// </summary>
/// <param name="clock">Times the pauses between tries and the wait for sessions to end.</param>
public sealed class PostgreSqlEngine(TimeProvider clock) : IDatabaseEngine, IAsyncDisposable
{
    private readonly AdminConnections admin = new();

    /// <inheritdoc/>
    public DatabaseEngineKind Kind => DatabaseEngineKind.PostgreSql;

    /// <inheritdoc/>
    public EngineDialect Dialect { get; } = new(63, ["ALTER ROLE \"{{name}}\" VALID UNTIL '{{expiration}}';"], CapsUsers: true);

    /// <inheritdoc/>
    public Task<ConnectionSample> SampleAsync(Database database, CancellationToken cancellation) =>
        ConnectionCount.TakeAsync(admin, database, cancellation);

    /// <inheritdoc/>
    public async Task TryLoginAsync(Database database, Login login, CancellationToken cancellation)
    {
        // A data source of its own: the driver remembers plain connection strings, password and all, for good.
        await using var source = new NpgsqlDataSourceBuilder(LoginSettings(database, login).ConnectionString)
            .ConfigureTypeLoading(types => types.EnableTypeLoading(false)) // saves a query: only SELECT 1 is run
            .Build();
        try
        {
            await using var connection = await source.OpenConnectionAsync(cancellation);
            await using var command = new NpgsqlCommand("SELECT 1", connection);
            await command.ExecuteNonQueryAsync(cancellation);
        }
        catch (Exception exception) when (PostgreSqlFailure.Covers(exception, cancellation))
        {
            throw PostgreSqlFailure.OfLogin(database, login.Username, exception);
        }
    }

    /// <inheritdoc/>
    public Task CreateUserAsync(Database database, Login login, IReadOnlyList<string> statements, CancellationToken cancellation) =>
        RunAsync(database, statements, cancellation);

    /// <inheritdoc/>
    public Task RunAsync(Database database, IReadOnlyList<string> statements, CancellationToken cancellation) =>
        Transactions.RunAsync(database, null, statements, cancellation);

    /// <summary>
    /// Drops a role: <c>NOLOGIN</c>, then either the given statements, or what it owns handed to the administrator, its rights
    /// taken away in every database of the server, and <c>DROP ROLE</c>.
    /// </summary>
    /// <inheritdoc/>
    public Task DropUserAsync(Database database, string username, IReadOnlyList<string> statements, CancellationToken cancellation) =>
        Removal.DropAsync(database, username, statements, cancellation);

    /// <inheritdoc/>
    public Task ShutOutAsync(Database database, string username, CancellationToken cancellation) =>
        Removal.ShutOutAsync(database, username, cancellation);

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

    /// <inheritdoc/>
    public Task<IReadOnlyList<DatabaseUser>> FindUsersAsync(Database database, string prefix, CancellationToken cancellation) =>
        AdminReads.RunAsync<IReadOnlyList<DatabaseUser>>(
            admin,
            database,
            """
            SELECT r.rolname::text, nullif(r.rolvaliduntil, 'infinity'),
                   (SELECT count(*)::int FROM pg_stat_activity a WHERE a.usesysid = r.oid),
                   (SELECT count(*)::int FROM pg_shdepend s
                    WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = r.oid AND s.deptype = 'o')
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
                        reader.GetInt32(3)));
                return users;
            },
            cancellation);

    /// <inheritdoc/>
    public ConnectionStrings Describe(Database database, Login login, int connections) =>
        PostgreSqlConnectionStrings.Of(database, login, connections);

    /// <summary>Closes the administrator connections.</summary>
    public ValueTask DisposeAsync() => admin.DisposeAsync();

    private RoleTransactions Transactions => new(admin, clock);

    private UserRemoval Removal => new(admin, Transactions, clock);

    private static NpgsqlConnectionStringBuilder LoginSettings(Database database, Login login)
    {
        var administrator = AdminConnections.Settings(database);
        return new()
        {
            Host = database.Host,
            Port = database.Port,
            Database = database.DatabaseName,
            Username = login.Username,
            Password = login.Password.Reveal(),
            Pooling = false,
            Timeout = AdminConnections.ConnectSeconds,
            CommandTimeout = AdminConnections.ConnectSeconds,
            ApplicationName = "broker",
            SslMode = administrator.SslMode,
            SslNegotiation = administrator.SslNegotiation,
            RootCertificate = administrator.RootCertificate,
            CheckCertificateRevocation = administrator.CheckCertificateRevocation,
            ChannelBinding = administrator.ChannelBinding,
        };
    }
}
