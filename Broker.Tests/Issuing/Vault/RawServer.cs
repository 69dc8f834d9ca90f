using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Broker.Tests.Issuing.Vault;

/// <summary>
/// A TCP listener below HTTP: reads whole requests and does with each what a test says, so that connections can break at
/// the byte a test wants. What it answers may keep the connection open for a next request.
/// </summary>
internal sealed class RawServer : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource stop = new();
    private readonly Func<string, int, string?> answer;
    private readonly Task accepting;
    private int requests;

    /// <param name="answer">Given a request's first line and its number from 1: the bytes to answer; null: close without a word.</param>
    public RawServer(Func<string, int, string?> answer)
    {
        this.answer = answer;
        listener.Start();
        accepting = AcceptAsync();
    }

    public Uri Address => new($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}");

    /// <summary>Requests read whole.</summary>
    public int Requests => Volatile.Read(ref requests);

    public static string Ok(string json) =>
        $"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {Encoding.UTF8.GetByteCount(json)}\r\n\r\n{json}";

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await accepting;
        listener.Stop();
        stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var served = new List<Task>();
        try
        {
            while (true) served.Add(ServeAsync(await listener.AcceptTcpClientAsync(stop.Token)));
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(served);
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var connection = client;
        var stream = client.GetStream();
        try
        {
            while (await ReadRequestAsync(stream) is { } line)
            {
                if (answer(line, Interlocked.Increment(ref requests)) is not { } bytes) return;
                await stream.WriteAsync(Encoding.UTF8.GetBytes(bytes), stop.Token);
            }
        }
        catch (Exception left) when (left is IOException or OperationCanceledException)
        {
            // the client or the test is done
        }
    }

    private async Task<string?> ReadRequestAsync(NetworkStream stream)
    {
        var text = new StringBuilder();
        var buffer = new byte[4096];
        int end;
        while ((end = text.ToString().IndexOf("\r\n\r\n", StringComparison.Ordinal)) < 0)
        {
            var read = await stream.ReadAsync(buffer, stop.Token);
            if (read == 0) return null;
            text.Append(Encoding.Latin1.GetString(buffer, 0, read));
        }

        var length = text.ToString().Split("\r\n").FirstOrDefault(header => header.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase)) is { } header
            ? int.Parse(header.Split(':')[1], System.Globalization.CultureInfo.InvariantCulture)
            : 0;
        for (var missing = length - (text.Length - end - 4); missing > 0;)
        {
            var read = await stream.ReadAsync(buffer.AsMemory(0, Math.Min(buffer.Length, missing)), stop.Token);
            if (read == 0) return null;
            missing -= read;
        }

        return text.ToString()[..text.ToString().IndexOf("\r\n", StringComparison.Ordinal)];
    }
}
