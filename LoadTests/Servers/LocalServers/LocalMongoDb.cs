using Testcontainers.MongoDb;

namespace LoadTests.Servers.LocalServers;

/// <summary>MongoDB, which no Debian package has: a container, where a Docker engine is used.</summary>
public sealed class LocalMongoDb : IAsyncDisposable
{
    private readonly MongoDbContainer container;

    private LocalMongoDb(MongoDbContainer container) => this.container = container;

    /// <summary>The administrator's URI.</summary>
    public string AdminConnectionString => container.GetConnectionString();

    /// <summary>Starts one; null when no Docker engine is used.</summary>
    public static async Task<LocalMongoDb?> StartAsync(CancellationToken cancellation = default)
    {
        if (!await DockerEngine.IsUsedAsync())
            return null;
        var container = new MongoDbBuilder("mongo:8.0").WithUsername("admin").WithPassword(Guid.NewGuid().ToString("N")).Build();
        await container.StartAsync(cancellation);
        return new LocalMongoDb(container);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => container.DisposeAsync();
}
