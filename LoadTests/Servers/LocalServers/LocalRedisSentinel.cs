using StackExchange.Redis;

namespace LoadTests.Servers.LocalServers;

/// <summary>
/// A private Redis with a replica, and one Sentinel that watches them on 127.0.0.1 and puts the replica in the primary's place when
/// that is away for a second; leaves nothing behind. Needs Redis on this machine: Sentinel is the same program.
/// </summary>
public sealed class LocalRedisSentinel : IAsyncDisposable
{
    /// <summary>What Sentinel calls the primary.</summary>
    public const string Service = "ledger";

    private readonly PrivateDirectory home;
    private readonly int port;
    private ChildProcess? process;
    private string? password;

    private LocalRedisSentinel(PrivateDirectory home, int port, LocalRedis primary, LocalRedis replica) =>
        (this.home, this.port, Primary, Replica) = (home, port, primary, replica);

    /// <summary>The primary of the start.</summary>
    public LocalRedis Primary { get; }

    /// <summary>The replica of the start.</summary>
    public LocalRedis Replica { get; }

    /// <summary>For StackExchange.Redis: the Sentinel, and the service's name.</summary>
    public string ConnectionString => $"127.0.0.1:{port},serviceName={Service}";

    private static string? User => Environment.IsPrivilegedProcess ? "redis" : null;

    /// <summary>Starts the two servers; Sentinel itself is started by <see cref="StartSentinelAsync"/>.</summary>
    public static async Task<LocalRedisSentinel> StartServersAsync(CancellationToken cancellation = default)
    {
        var primary = await LocalRedis.StartAsync(cancellation: cancellation);
        var replica = await LocalRedis.StartAsync(cancellation: cancellation);
        await replica.FollowAsync(primary, cancellation);
        return new(await PrivateDirectory.CreateAsync("sentinel", User), LoopbackPort.Take(), primary, replica);
    }

    /// <summary>Starts Sentinel and waits until it knows the primary and its replica.</summary>
    public Task StartSentinelAsync(CancellationToken cancellation = default) => StartSentinelAsync(null, cancellation);

    /// <inheritdoc cref="StartSentinelAsync(CancellationToken)"/>
    /// <param name="ownPassword">What Sentinel asks for of those who come to it; null: nothing.</param>
    /// <param name="cancellation">Ends it.</param>
    public async Task StartSentinelAsync(string? ownPassword, CancellationToken cancellation = default)
    {
        password = ownPassword;
        var settings = Path.Combine(await home.MakeAsync("data"), "sentinel.conf");
        await File.WriteAllLinesAsync(
            settings,
            [
                $"port {port}", "bind 127.0.0.1", $"sentinel monitor {Service} {Primary.Host} {Primary.Port} 1", $"sentinel down-after-milliseconds {Service} 1000",
                $"sentinel failover-timeout {Service} 3000", .. password is null ? Array.Empty<string>() : [$"requirepass {password}"],
            ],
            cancellation);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(settings, (UnixFileMode)0b110_110_110); // Sentinel, another user, writes what it learns into it
        process = await ChildProcess.StartAsync(new()
        {
            Program = ServerProgram.OfRedis(),
            Arguments = [settings, "--sentinel"],
            User = User,
            LogFile = Path.Combine(home.Path, "sentinel.log"),
        });
        await process.ReadyAsync(KnowsAsync, ChildProcess.StartsWithin, cancellation);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (process is { } running) await running.DisposeAsync();
        await Replica.DisposeAsync();
        await Primary.DisposeAsync();
        await home.DisposeAsync();
    }

    private async Task<bool> KnowsAsync(CancellationToken cancellation)
    {
        try
        {
            var options = ConfigurationOptions.Parse($"127.0.0.1:{port}");
            options.Password = password;
            options.CommandMap = CommandMap.Sentinel;
            await using var connection = await ConnectionMultiplexer.ConnectAsync(options);
            return (await connection.GetServer("127.0.0.1", port).SentinelReplicasAsync(Service)).Length == 1;
        }
        catch (RedisException)
        {
            return false;
        }
    }
}
