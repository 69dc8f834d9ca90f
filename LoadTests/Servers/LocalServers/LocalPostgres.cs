using Npgsql;
using Testcontainers.PostgreSql;

namespace LoadTests.Servers.LocalServers;

/// <summary>How a private PostgreSQL is set up.</summary>
public sealed record LocalPostgresSettings
{
    /// <summary>PostgreSQL's own default.</summary>
    internal const int StandardSuperuserReservedConnections = 3;

    /// <summary>Its major version; null (the default): the newest that is installed.</summary>
    public int? Version { get; init; }

    /// <summary>Its <c>max_connections</c> (1 or more, default 100).</summary>
    public int MaxConnections { get; init; } = 100;

    /// <summary>Its <c>superuser_reserved_connections</c> (0 or more, less than <see cref="MaxConnections"/>, default 3).</summary>
    public int SuperuserReservedConnections { get; init; } = StandardSuperuserReservedConnections;

    /// <summary>Further server settings by name, as in postgresql.conf.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>How long the start may take (default: <see cref="ChildProcess.StartsWithin"/>).</summary>
    public TimeSpan StartWithin { get; init; } = ChildProcess.StartsWithin;
}

/// <summary>
/// A private PostgreSQL on 127.0.0.1 with an empty database <c>app</c>. It keeps nothing safe (no fsync) and leaves nothing
/// behind, not even when this process crashes.
/// </summary>
public sealed class LocalPostgres : ILocalDatabase
{
    private readonly IServerHost server;

    private LocalPostgres(IServerHost server, int port, string password)
    {
        this.server = server;
        Port = port;
        AdminPassword = password;
        AdminConnectionString = ConnectionStringFor(port, password, Database);
    }

    /// <summary>Always 127.0.0.1.</summary>
    public string Host { get; } = "127.0.0.1";

    /// <summary>The port it listens on.</summary>
    public int Port { get; }

    /// <summary>The name of the database: <c>app</c>.</summary>
    public string Database { get; } = "app";

    /// <summary>The superuser: <c>postgres</c>.</summary>
    public string AdminUsername { get; } = "postgres";

    /// <summary>The superuser's password, made for the servers of this process.</summary>
    public string AdminPassword { get; }

    /// <summary>The superuser's connection to the database, for Npgsql.</summary>
    public string AdminConnectionString { get; }

    /// <summary>Where its data and its log are while it lives; null when it is a container.</summary>
    public string? Directory => server.Directory;

    /// <summary>Starts one on a free port.</summary>
    /// <exception cref="ServerStartException">It did not start, or PostgreSQL is not installed.</exception>
    public static async Task<LocalPostgres> StartAsync(LocalPostgresSettings? settings = null, CancellationToken cancellation = default)
    {
        settings ??= new();
        var docker = await DockerEngine.IsUsedAsync();
        var password = docker ? Guid.NewGuid().ToString("N") : PostgresProcess.Password;
        var postgres = await LoopbackPort.StartOnAsync(async port =>
        {
            IServerHost server = docker
                ? new ContainerHost(() => Container(settings, port, password))
                : await PostgresProcess.CreateAsync(settings, port, password, cancellation);
            try
            {
                await server.StartAsync(cancellation);
                return new LocalPostgres(server, port, password);
            }
            catch
            {
                await server.DisposeAsync();
                throw;
            }
        });
        try
        {
            await postgres.CreateDatabaseAsync(cancellation);
            return postgres;
        }
        catch
        {
            await postgres.DisposeAsync();
            throw;
        }
    }

    /// <summary>Ends the server as a DBA would (fast shutdown: sessions end); its data stay.</summary>
    public Task StopAsync() => server.StopAsync();

    /// <summary>Starts it again on the same port.</summary>
    public Task StartAgainAsync(CancellationToken cancellation = default) => server.StartAsync(cancellation);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => server.DisposeAsync();

    /// <summary>The settings both a process and a container get.</summary>
    internal static IEnumerable<string> Arguments(LocalPostgresSettings settings) =>
        new Dictionary<string, string>(settings.Settings)
        {
            ["max_connections"] = settings.MaxConnections.ToString(null, null),
            ["superuser_reserved_connections"] = settings.SuperuserReservedConnections.ToString(null, null),
            ["fsync"] = "off",
            ["synchronous_commit"] = "off",
            ["full_page_writes"] = "off",
        }.SelectMany(setting => new[] { "-c", $"{setting.Key}={setting.Value}" });

    internal static string ConnectionStringFor(int port, string password, string database) => new NpgsqlConnectionStringBuilder
    {
        Host = "127.0.0.1",
        Port = port,
        Username = "postgres",
        Password = password,
        Database = database,
    }.ConnectionString;

    private static PostgreSqlContainer Container(LocalPostgresSettings settings, int port, string password) =>
        new PostgreSqlBuilder($"postgres:{settings.Version ?? 17}-alpine")
            .WithPassword(password)
            .WithPortBinding(port, PostgreSqlBuilder.PostgreSqlPort)
            .WithCommand([.. Arguments(settings)])
            .Build();

    private async Task CreateDatabaseAsync(CancellationToken cancellation)
    {
        await using var connection = new NpgsqlConnection(ConnectionStringFor(Port, AdminPassword, "postgres") + ";Pooling=false");
        await connection.OpenAsync(cancellation);
        await using var create = new NpgsqlCommand($"CREATE DATABASE {Database}", connection);
        await create.ExecuteNonQueryAsync(cancellation);
    }
}
