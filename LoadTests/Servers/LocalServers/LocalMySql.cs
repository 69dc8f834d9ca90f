using MySqlConnector;
using Testcontainers.MySql;

namespace LoadTests.Servers.LocalServers;

/// <summary>MySQL itself, which no Debian package has: a container, where a Docker engine is used.</summary>
public sealed class LocalMySql : IAsyncDisposable
{
    private readonly MySqlContainer container;

    private LocalMySql(MySqlContainer container) => this.container = container;

    /// <summary>The connection of <c>root</c>, for MySqlConnector.</summary>
    public string AdminConnectionString => new MySqlConnectionStringBuilder(container.GetConnectionString()) { UserID = "root", Database = "" }.ConnectionString;

    /// <summary>Starts one; null when no Docker engine is used.</summary>
    public static async Task<LocalMySql?> StartAsync(CancellationToken cancellation = default)
    {
        if (!await DockerEngine.IsUsedAsync())
            return null;
        var container = new MySqlBuilder("mysql:8.4").WithPassword(Guid.NewGuid().ToString("N")).WithCommand("--max-connections=400").Build();
        await container.StartAsync(cancellation);
        return new LocalMySql(container);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => container.DisposeAsync();
}
