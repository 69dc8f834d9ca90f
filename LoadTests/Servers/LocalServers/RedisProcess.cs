using System.Net.Sockets;
using System.Text;

namespace LoadTests.Servers.LocalServers;

/// <summary>Redis as a child process, in a directory made for it.</summary>
internal sealed class RedisProcess : IRedisHost
{
    private readonly PrivateDirectory home;
    private readonly int port;
    private readonly IReadOnlyList<string> options;
    private readonly TimeSpan startWithin;
    private ChildProcess? process;

    private RedisProcess(PrivateDirectory home, int port, IReadOnlyList<string> options, TimeSpan startWithin)
    {
        this.home = home;
        this.port = port;
        this.options = options;
        this.startWithin = startWithin;
    }

    public string? Directory => home.Path;

    private static string? User => Environment.IsPrivilegedProcess ? "redis" : null;

    public static async Task<RedisProcess> CreateAsync(int port, IReadOnlyList<string> options, TimeSpan startWithin)
    {
        // Looked for first: without the Debian package there is no user redis either.
        ServerProgram.OfRedis();
        return new RedisProcess(await PrivateDirectory.CreateAsync("redis", User), port, options, startWithin);
    }

    public async Task StartAsync(CancellationToken cancellation)
    {
        if (process is { } old)
            await old.DisposeAsync();
        process = await ChildProcess.StartAsync(new()
        {
            Program = ServerProgram.OfRedis(),
            Arguments =
            [
                "--dir", await home.MakeAsync("data"),
                "--port", port.ToString(null, null), "--bind", "127.0.0.1", "--daemonize", "no", .. options,
            ],
            User = User,
            LogFile = Path.Combine(home.Path, "redis.log"),
        });
        await process.ReadyAsync(AnswersAsync, startWithin, cancellation);
    }

    public Task StopAsync() => process?.StopAsync(Signal.Terminate) ?? Task.CompletedTask;

    public Task KillAsync() => process?.StopAsync(Signal.Kill) ?? Task.CompletedTask;

    public Task EmptyAsync()
    {
        System.IO.Directory.Delete(Path.Combine(home.Path, "data"), recursive: true);
        return Task.CompletedTask;
    }

    public Task PauseAsync()
    {
        process?.Send(Signal.Stop);
        return Task.CompletedTask;
    }

    public Task ResumeAsync()
    {
        process?.Send(Signal.Continue);
        return Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        if (process is { } running)
            await running.DisposeAsync();
        await home.DisposeAsync();
    }

    /// <summary>Asks who it is: another Redis may have been faster on this port.</summary>
    private async Task<bool> AnswersAsync(CancellationToken cancellation)
    {
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync("127.0.0.1", port, cancellation);
            var stream = client.GetStream();
            await stream.WriteAsync("INFO server\r\nINFO persistence\r\nQUIT\r\n"u8.ToArray(), cancellation);
            using var reader = new StreamReader(stream, Encoding.UTF8);
            var answer = await reader.ReadToEndAsync(cancellation);
            return answer.Contains($"process_id:{process!.Id}\r\n", StringComparison.Ordinal)
                && answer.Contains("\nloading:0\r\n", StringComparison.Ordinal);
        }
        catch (Exception failure) when (failure is SocketException or IOException)
        {
            // Not listening yet.
            return false;
        }
    }
}
