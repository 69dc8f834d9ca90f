using DotNet.Testcontainers.Builders;
using DotNet.Testcontainers.Containers;
using MySqlConnector;

namespace LoadTests.Servers.LocalServers;

/// <summary>How a private MariaDB is set up.</summary>
public sealed record LocalMariaDbSettings
{
    /// <summary>Its <c>max_connections</c> (10 or more, default 100).</summary>
    public int MaxConnections { get; init; } = 100;

    /// <summary>Further server settings by name, as in my.cnf.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>How long the start may take (default: <see cref="ChildProcess.StartsWithin"/>).</summary>
    public TimeSpan StartWithin { get; init; } = ChildProcess.StartsWithin;
}

/// <summary>
/// A private MariaDB on 127.0.0.1 with an empty database <c>app</c>. It keeps nothing safe (no flush to disk) and leaves
/// nothing behind, not even when this process crashes.
/// </summary>
public sealed class LocalMariaDb : ILocalDatabase
{
    internal const string Administrator = "admin";

    private readonly IServerHost server;

    private LocalMariaDb(IServerHost server, int port, string password, string administrator)
    {
        this.server = server;
        Port = port;
        AdminUsername = administrator;
        AdminPassword = password;
        AdminConnectionString = ConnectionStringFor(port, administrator, password, Database);
    }

    /// <summary>Always 127.0.0.1.</summary>
    public string Host { get; } = "127.0.0.1";

    /// <summary>The port it listens on.</summary>
    public int Port { get; }

    /// <summary>The name of the database: <c>app</c>.</summary>
    public string Database { get; } = "app";

    /// <summary>The user with all privileges: <c>admin</c> (<c>root</c> in a container).</summary>
    public string AdminUsername { get; }

    /// <summary>The administrator's password, made for the servers of this process.</summary>
    public string AdminPassword { get; }

    /// <summary>The administrator's connection to the database, for MySqlConnector.</summary>
    public string AdminConnectionString { get; }

    /// <summary>Where its data and its log are while it lives; null when it is a container.</summary>
    public string? Directory => server.Directory;

    /// <summary>Starts one on a free port.</summary>
    /// <exception cref="ServerStartException">It did not start, or MariaDB is not installed.</exception>
    public static async Task<LocalMariaDb> StartAsync(LocalMariaDbSettings? settings = null, CancellationToken cancellation = default)
    {
        settings ??= new();
        var docker = await DockerEngine.IsUsedAsync();
        var password = docker ? Guid.NewGuid().ToString("N") : MariaDbProcess.Password;
        var mariaDb = await LoopbackPort.StartOnAsync(async port =>
        {
            IServerHost server = docker
                ? new ContainerHost(() => Container(settings, port, password))
                : await MariaDbProcess.CreateAsync(settings, port, password, cancellation);
            try
            {
                await server.StartAsync(cancellation);
                return new LocalMariaDb(server, port, password, docker ? "root" : Administrator);
            }
            catch
            {
                await server.DisposeAsync();
                throw;
            }
        });
        try
        {
            await Poll.UntilAsync(
                cancel => AnswersAsync(mariaDb.AdminConnectionString, cancel), settings.StartWithin, "MariaDB to be ready", cancellation);
            await mariaDb.CreateDatabaseAsync(cancellation);
            return mariaDb;
        }
        catch
        {
            await mariaDb.DisposeAsync();
            throw;
        }
    }

    /// <summary>Ends the server in good order; its data stay.</summary>
    public Task StopAsync() => server.StopAsync();

    /// <summary>Starts it again on the same port.</summary>
    public Task StartAgainAsync(CancellationToken cancellation = default) => server.StartAsync(cancellation);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => server.DisposeAsync();

    /// <summary>The settings both a process and a container get.</summary>
    internal static IEnumerable<string> Arguments(LocalMariaDbSettings settings) =>
        new Dictionary<string, string>(settings.Settings)
        {
            ["max_connections"] = settings.MaxConnections.ToString(null, null),
            ["innodb_flush_log_at_trx_commit"] = "0",
            ["innodb_flush_method"] = "nosync",
            ["innodb_doublewrite"] = "0",
        }.Select(setting => $"--{setting.Key.Replace('_', '-')}={setting.Value}");

    internal static string ConnectionStringFor(int port, string username, string password, string database) => new MySqlConnectionStringBuilder
    {
        Server = "127.0.0.1",
        Port = (uint)port,
        UserID = username,
        Password = password,
        Database = database,
    }.ConnectionString;

    /// <summary>Whether the server lets its administrator in.</summary>
    internal static async Task<bool> AnswersAsync(string connectionString, CancellationToken cancellation)
    {
        var probe = new MySqlConnectionStringBuilder(connectionString) { Database = "", Pooling = false, ConnectionTimeout = 5 };
        await using var connection = new MySqlConnection(probe.ConnectionString);
        try
        {
            await connection.OpenAsync(cancellation);
            return true;
        }
        catch (MySqlException)
        {
            // Not listening yet, starting up, or not ours.
            return false;
        }
    }

    // Its image first runs a server without a port, to set itself up: the port answers when that is over.
    private static IContainer Container(LocalMariaDbSettings settings, int port, string password) =>
        new ContainerBuilder("mariadb:11.4")
            .WithEnvironment("MARIADB_ROOT_PASSWORD", password)
            .WithPortBinding(port, 3306)
            .WithCommand([.. Arguments(settings)])
            .Build();

    private async Task CreateDatabaseAsync(CancellationToken cancellation)
    {
        await using var connection = new MySqlConnection(new MySqlConnectionStringBuilder(AdminConnectionString) { Database = "", Pooling = false }.ConnectionString);
        await connection.OpenAsync(cancellation);
        await using var create = new MySqlCommand($"CREATE DATABASE IF NOT EXISTS {Database} CHARACTER SET utf8mb4", connection);
        await create.ExecuteNonQueryAsync(cancellation);
    }
}
