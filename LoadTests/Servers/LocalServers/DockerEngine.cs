using System.Net.Sockets;

namespace LoadTests.Servers.LocalServers;

/// <summary>Whether servers come from containers: when a Docker engine answers, unless <c>BROKER_TEST_SERVERS</c> says otherwise.</summary>
internal static class DockerEngine
{
    /// <summary>The environment variable: <c>local</c> or <c>docker</c>; empty: whatever is there.</summary>
    public const string Variable = "BROKER_TEST_SERVERS";

    private static readonly Lazy<Task<bool>> Chosen = new(() => ChooseAsync(Environment.GetEnvironmentVariable));

    /// <summary>True when servers are to be containers.</summary>
    /// <exception cref="ServerStartException">The variable has another value.</exception>
    public static Task<bool> IsUsedAsync() => Chosen.Value;

    /// <summary>The decision, on an environment's variables.</summary>
    /// <exception cref="ServerStartException">The variable has another value.</exception>
    internal static async Task<bool> ChooseAsync(Func<string, string?> variable) => variable(Variable) switch
    {
        "local" => false,
        "docker" => true,
        null or "" => await AnswersAsync(variable),
        var other => throw new ServerStartException($"{Variable} is '{other}'; it can be 'local' or 'docker', or be left away."),
    };

    private static async Task<bool> AnswersAsync(Func<string, string?> variable)
    {
        if (variable("DOCKER_HOST") is { Length: > 0 } host)
            return Uri.TryCreate(host, UriKind.Absolute, out var address) && (address.Scheme == "unix"
                ? await PingAsync(address.AbsolutePath)
                : await PingAsync(new Uri($"http://{address.Authority}"), new SocketsHttpHandler()));

        string?[] sockets =
        [
            "/var/run/docker.sock",
            variable("XDG_RUNTIME_DIR") is { Length: > 0 } runtime ? $"{runtime}/docker.sock" : null,
        ];
        foreach (var socket in sockets.OfType<string>().Where(File.Exists))
        {
            if (await PingAsync(socket))
                return true;
        }

        return false;
    }

    private static Task<bool> PingAsync(string path) => PingAsync(new Uri("http://docker"), new SocketsHttpHandler
    {
        ConnectCallback = async (_, cancellation) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        },
    });

    private static async Task<bool> PingAsync(Uri engine, SocketsHttpHandler handler)
    {
        using var client = new HttpClient(handler) { BaseAddress = engine, Timeout = TimeSpan.FromSeconds(1) };
        try
        {
            using var answer = await client.GetAsync(new Uri("/_ping", UriKind.Relative));
            return answer.IsSuccessStatusCode;
        }
        catch (Exception failure) when (failure is HttpRequestException or TaskCanceledException)
        {
            return false;
        }
    }
}
