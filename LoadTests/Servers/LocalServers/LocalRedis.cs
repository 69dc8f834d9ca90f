using StackExchange.Redis;
using Testcontainers.Redis;

namespace LoadTests.Servers.LocalServers;

/// <summary>How a private Redis is set up.</summary>
public sealed record LocalRedisSettings
{
    /// <summary>Whether its data survive a stop (append-only file); default true.</summary>
    public bool KeepsData { get; init; } = true;

    /// <summary>Further options of <c>redis-server</c>; default none.</summary>
    public IReadOnlyList<string> Options { get; init; } = [];

    /// <summary>How long the start may take (default: <see cref="ChildProcess.StartsWithin"/>).</summary>
    public TimeSpan StartWithin { get; init; } = ChildProcess.StartsWithin;
}

/// <summary>A private standalone Redis on 127.0.0.1; leaves nothing behind, not even when this process crashes.</summary>
public sealed class LocalRedis : IAsyncDisposable
{
    /// <summary>Ends a connection string of StackExchange.Redis, whose own deadlines of five seconds a slow machine misses.</summary>
    public const string Patience = ",connectTimeout=60000,syncTimeout=60000,asyncTimeout=60000,connectRetry=5";

    private readonly IRedisHost server;

    private LocalRedis(IRedisHost server, int port)
    {
        this.server = server;
        Port = port;
    }

    /// <summary>Always 127.0.0.1.</summary>
    public string Host { get; } = "127.0.0.1";

    /// <summary>The port it listens on; it stays the same over stops and starts.</summary>
    public int Port { get; }

    /// <summary>For StackExchange.Redis; <c>allowAdmin</c> is not set.</summary>
    public string ConnectionString => $"{Host}:{Port}";

    /// <summary>Where its data and its log are while it lives; null when it is a container.</summary>
    public string? Directory => server.Directory;

    /// <summary>Starts one on a free port.</summary>
    /// <exception cref="ServerStartException">It did not start, or Redis is not installed.</exception>
    public static async Task<LocalRedis> StartAsync(LocalRedisSettings? settings = null, CancellationToken cancellation = default)
    {
        settings ??= new();
        var docker = await DockerEngine.IsUsedAsync();
        return await LoopbackPort.StartOnAsync(async port =>
        {
            string[] durability = ["--save", "", "--appendonly", settings.KeepsData ? "yes" : "no", .. settings.Options];
            IRedisHost server = docker
                ? new ContainerHost(() => Container(port, durability))
                : await RedisProcess.CreateAsync(port, durability, settings.StartWithin);
            try
            {
                await server.StartAsync(cancellation);
                return new LocalRedis(server, port);
            }
            catch
            {
                await server.DisposeAsync();
                throw;
            }
        });
    }

    /// <summary>Ends the server; its data stay if it keeps any.</summary>
    public Task StopAsync() => server.StopAsync();

    /// <summary>Ends the server at once, as a crash does: what it has not told its copies they never hear.</summary>
    public Task KillAsync() => server.KillAsync();

    /// <summary>Starts it again on the same port, with the data it kept.</summary>
    public Task StartAgainAsync(CancellationToken cancellation = default) => server.StartAsync(cancellation);

    /// <summary>Ends it, if it runs, and starts it again on the same port with all data lost.</summary>
    public async Task RestartEmptyAsync(CancellationToken cancellation = default)
    {
        await server.StopAsync();
        await server.EmptyAsync();
        await server.StartAsync(cancellation);
    }

    /// <summary>Holds the server: connections stay open and nothing answers.</summary>
    public Task PauseAsync() => server.PauseAsync();

    /// <summary>Lets a held server go on.</summary>
    public Task ResumeAsync() => server.ResumeAsync();

    /// <summary>A connection that may give administrators' commands.</summary>
    public Task<ConnectionMultiplexer> AdministerAsync() => ConnectionMultiplexer.ConnectAsync($"{ConnectionString},allowAdmin=true{Patience}");

    /// <summary>Has the server execute one command, as an administrator would.</summary>
    public async Task<string> ExecuteAsync(string command, params object[] arguments)
    {
        await using var connection = await AdministerAsync();
        return (await connection.GetServer(Host, Port).ExecuteAsync(command, arguments)).ToString();
    }

    /// <summary>Becomes a copy of another server, and has its data when this returns.</summary>
    public async Task FollowAsync(LocalRedis primary, CancellationToken cancellation = default)
    {
        await ExecuteAsync("REPLICAOF", primary.Host, primary.Port);
        await Poll.UntilAsync(
            async _ => (await ExecuteAsync("INFO", "replication")).Contains("master_link_status:up", StringComparison.Ordinal),
            ChildProcess.StartsWithin,
            "the replica to have its primary's data",
            cancellation);
    }

    /// <summary>A copy hears nothing of its primary any more, and stays as it is: it still is a copy, to those who ask.</summary>
    public Task CutOffAsync() => ExecuteAsync("REPLICAOF", Host, LoopbackPort.Take());

    /// <summary>A copy takes its primary's place, with what it has.</summary>
    public Task PromoteAsync() => ExecuteAsync("REPLICAOF", "NO", "ONE");

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => server.DisposeAsync();

    private static RedisContainer Container(int port, string[] durability) =>
        new RedisBuilder("redis:7-alpine")
            .WithPortBinding(port, RedisBuilder.RedisPort)
            .WithCommand(["redis-server", .. durability])
            .Build();
}
