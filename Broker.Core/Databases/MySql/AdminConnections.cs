using System.Collections.Concurrent;
using Broker.Core.Catalog;
using Broker.Core.Model;
using MySqlConnector;

namespace Broker.Core.Databases.MySql;

/// <summary>
/// The broker's own connections, few at a time because they too count against the server's limit: a small pool per
/// administrator connection string. Pools of connection strings that are no longer configured drain.
/// </summary>
internal sealed class AdminConnections : IAsyncDisposable
{
    /// <summary>Most connections of one pool.</summary>
    public const int PoolSize = 4;

    /// <summary>How long connecting may take, in seconds.</summary>
    public const int ConnectSeconds = 5;

    /// <summary>How long a statement may take, in seconds: longer than it waits for a lock.</summary>
    private const int StatementSeconds = 15;

    /// <summary>The servers' own defaults are a day (MariaDB) and a year (MySQL): behind a backup's lock nothing would ever end.</summary>
    private const int LockSeconds = 5;

    /// <summary>How often a host's addresses are looked up, in seconds, to follow a writer endpoint that has moved at once.</summary>
    private const int LookUpSeconds = 5;

    // The driver's own pools, by connection string: the pool of a MySqlDataSource cannot be cleared (MySqlConnection.ClearPoolAsync looks among its own alone).
    private readonly ConcurrentDictionary<string, bool> pools = new(StringComparer.Ordinal);

    /// <summary>Opens a connection that has answered: the driver resets a pooled one first, and replaces it when it is dead.</summary>
    /// <exception cref="DatabaseException">It cannot be opened.</exception>
    public async Task<MySqlConnection> OpenAsync(Database database, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        MySqlConnection? connection = null;
        try
        {
            var pool = PoolOf(database);
            connection = new MySqlConnection(pool);
            await connection.OpenAsync(cancellation);
            pools.TryAdd(pool, true);
            await using var bound = new MySqlCommand($"SET SESSION lock_wait_timeout = {LockSeconds}, innodb_lock_wait_timeout = {LockSeconds}", connection);
            await bound.ExecuteNonQueryAsync(cancellation);
            return connection;
        }
        catch (Exception exception)
        {
            if (connection is not null) await connection.DisposeAsync();
            if (!MySqlFailure.Covers(exception, cancellation)) throw;
            throw MySqlFailure.OfConnecting(database, exception);
        }
    }

    /// <summary>
    /// Opens a connection for a change. A server with <c>read_only</c> takes the writes of an administrator with CONNECTION_ADMIN (MariaDB: READ_ONLY ADMIN)
    /// or SUPER all the same: a writer that became a replica would not say so itself.
    /// </summary>
    /// <exception cref="DatabaseException">It cannot be opened, or the server is a replica.</exception>
    public async Task<MySqlConnection> OpenForChangeAsync(Database database, CancellationToken cancellation)
    {
        var connection = await OpenAsync(database, cancellation);
        try
        {
            if (!await IsReadOnlyAsync(connection, database, cancellation)) return connection;
            await ClearAsync(connection);
            throw MySqlFailure.OfReadOnly(database);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>Whether the server takes no writes but those of administrators.</summary>
    /// <exception cref="DatabaseException">The server refuses, or is not there.</exception>
    public static async Task<bool> IsReadOnlyAsync(MySqlConnection connection, Database database, CancellationToken cancellation)
    {
        var readOnly = false;
        await AdminReads.RunAsync(connection, database, $"SHOW GLOBAL VARIABLES LIKE '{ServerFacts.ReadOnly}'", row => readOnly = ServerFacts.IsReadOnly(row.GetString(1)), cancellation);
        return readOnly;
    }

    /// <summary>Closes the idle connections of a connection's pool, so that the next ones go where the host's name points now.</summary>
    public static Task ClearAsync(MySqlConnection connection) => MySqlConnection.ClearPoolAsync(connection, CancellationToken.None);

    /// <summary>The administrator connection string, parsed; server and port default to those of pods.</summary>
    /// <exception cref="DatabaseException">It cannot be understood.</exception>
    public static MySqlConnectionStringBuilder Settings(Database database)
    {
        try
        {
            var settings = new MySqlConnectionStringBuilder(database.AdminConnectionString.Reveal());
            if (settings.Server.Length == 0)
            {
                var servers = ServerAddress.ListOf(database.Host, database.Port);
                settings.Server = string.Join(',', servers.Select(server => server.Host));
                // It may have a port of its own on the pods' host, such as an administrators' port (admin_port, extra_port).
                if (!settings.ShouldSerialize("Port")) settings.Port = (uint)servers[0].Port;
                if (servers[0].IsSocket) settings.ConnectionProtocol = MySqlConnectionProtocol.UnixSocket;
            }

            _ = ServerAddress.Checked(Servers(settings));
            return settings;
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException or OverflowException or InvalidCastException or MySqlException)
        {
            throw MySqlFailure.OfConnectionString(database);
        }
    }

    /// <summary>The servers that the administrator connects to.</summary>
    public static IReadOnlyList<ServerAddress> Servers(MySqlConnectionStringBuilder settings) => ServerAddress.ListOf(settings.Server, (int)settings.Port);

    /// <summary>Closes every pool.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var pool in pools.Keys)
        {
            await using var one = new MySqlConnection(pool);
            await ClearAsync(one);
        }
    }

    private static string PoolOf(Database database)
    {
        var settings = Settings(database);
        settings.Pooling = true;
        settings.MinimumPoolSize = 0;
        settings.MaximumPoolSize = PoolSize;
        settings.ConnectionReset = true;
        settings.ConnectionIdleTimeout = 30;
        settings.DnsCheckInterval = LookUpSeconds;
        settings.ApplicationName = OwnConnections.ProgramName;
        settings.ConnectionTimeout = ConnectSeconds;
        settings.DefaultCommandTimeout = StatementSeconds;
        settings.AutoEnlist = false;
        settings.PersistSecurityInfo = false;
        settings.AllowUserVariables = true; // 'name'@'host' in a role's statements is no parameter of ours
        return settings.ConnectionString;
    }
}
