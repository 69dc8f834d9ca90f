using System.Collections.Concurrent;
using Broker.Core.Catalog;
using Broker.Core.Model;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// The broker's own connections, few at a time because they too count against the database's limit: a small pool per
/// administrator connection string and database. Pools of connection strings that are no longer configured drain.
/// </summary>
internal sealed class AdminConnections : IAsyncDisposable
{
    /// <summary>Most connections of one pool.</summary>
    public const int PoolSize = 4;

    /// <summary>How long connecting may take, in seconds.</summary>
    public const int ConnectSeconds = 5;

    /// <summary>How long a statement may take, in seconds; role statements wait for locks in the catalog.</summary>
    private const int StatementSeconds = 15;

    private readonly ConcurrentDictionary<string, Source> pools = new(StringComparer.Ordinal);

    /// <summary>The pool of a database's administrator.</summary>
    /// <param name="database">The database.</param>
    /// <param name="databaseName">
    /// Another database of the same server; null: the one in the connection string, or else the one that pods open.
    /// </param>
    /// <param name="beside">
    /// Not null: the pool of one connection for a look at the server beside this one's open transaction: whoever waits for it holds one of the other
    /// pool already, and must not wait for another of those. It leads to the same of several servers.
    /// </param>
    /// <exception cref="DatabaseException">The connection string cannot be understood.</exception>
    public NpgsqlDataSource Pool(Database database, string? databaseName = null, NpgsqlConnection? beside = null)
    {
        var settings = Settings(database);
        settings.Database = databaseName ?? settings.Database ?? database.DatabaseName;
        settings.Pooling = true;
        settings.MinPoolSize = 0;
        settings.MaxPoolSize = beside is null ? PoolSize : 1;
        if (beside is { Host: { } host, Port: var port }) (settings.Host, settings.Port, settings.TargetSessionAttributes) = (host, port, null);
        settings.ConnectionIdleLifetime = 30;
        settings.ConnectionPruningInterval = 10;
        settings.ApplicationName = OwnConnections.ProgramName;
        settings.Timeout = ConnectSeconds;
        settings.CommandTimeout = StatementSeconds;
        settings.IncludeErrorDetail = true; // the detail says why a role cannot be dropped
        settings.PersistSecurityInfo = false;
        settings.Enlist = false;
        settings.Multiplexing = false;
        try
        {
            // Two callers at once may both build one; the loser never opened a connection.
            return pools.GetOrAdd(settings.ConnectionString, static (_, settings) => new Source(settings), settings).Connections;
        }
        catch (Exception exception) when (PostgreSqlFailure.Covers(exception, CancellationToken.None))
        {
            throw PostgreSqlFailure.OfConnecting(database, exception);
        }
    }

    /// <summary>Opens a connection.</summary>
    /// <exception cref="DatabaseException">It cannot be opened.</exception>
    public async Task<NpgsqlConnection> OpenAsync(Database database, string? databaseName, CancellationToken cancellation, NpgsqlConnection? beside = null)
    {
        var pool = Pool(database, databaseName, beside);
        try
        {
            return await pool.OpenConnectionAsync(cancellation);
        }
        catch (Exception exception) when (PostgreSqlFailure.Covers(exception, cancellation))
        {
            throw PostgreSqlFailure.OfConnecting(database, exception);
        }
    }

    /// <summary>The administrator connection string, parsed; host and port default to those of pods.</summary>
    /// <exception cref="DatabaseException">It cannot be understood.</exception>
    public static NpgsqlConnectionStringBuilder Settings(Database database)
    {
        try
        {
            var settings = new NpgsqlConnectionStringBuilder(database.AdminConnectionString.Reveal());
            if (settings.Host is null)
            {
                // It may have a port of its own on the pods' host, which may be a pooler's.
                var servers = settings.ShouldSerialize("Port")
                    ? ServerAddress.ListOf(database.Host, database.Port).Select(server => server with { Port = settings.Port }).ToList()
                    : ServerAddress.ListOf(database.Host, database.Port);
                (settings.Host, settings.Port) = (servers.Count == 1 ? servers[0].Host : string.Join(',', servers), servers[0].Port);
            }

            _ = ServerAddress.Checked(Servers(settings));
            return settings;
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException or OverflowException or InvalidCastException)
        {
            throw PostgreSqlFailure.OfConnectionString(database);
        }
    }

    /// <summary>The servers that the administrator connects to.</summary>
    public static IReadOnlyList<ServerAddress> Servers(NpgsqlConnectionStringBuilder settings) => ServerAddress.ListOf(settings.Host!, settings.Port);

    /// <summary>Closes every pool.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var pool in pools.Values)
            await pool.DisposeAsync();
    }
}
