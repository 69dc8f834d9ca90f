using System.Net.Sockets;
using System.Text;

namespace Broker.Tests.Endpoints;

/// <summary>A socket to the broker, for what no well-behaved client sends.</summary>
internal sealed class RawConnection : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);
    private readonly Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };

    private RawConnection(string token) => Token = token;

    /// <summary>The token it sends.</summary>
    public string Token { get; }

    /// <summary>A claim's head but for its end, with a good token.</summary>
    public string ClaimHead =>
        $"POST /api/v1/roles/{RunningBroker.Role}/credentials HTTP/1.1\r\nHost: broker\r\nAuthorization: Bearer {Token}\r\nContent-Type: application/json\r\n";

    /// <param name="address">The broker's.</param>
    /// <param name="token">What it proves itself by.</param>
    /// <param name="room">How much may come before it is read, in bytes; null: what the system gives.</param>
    public static async Task<RawConnection> OpenAsync(Uri address, string token, int? room = null)
    {
        var connection = new RawConnection(token);
        if (room is { } bytes) connection.socket.ReceiveBufferSize = bytes;
        await connection.socket.ConnectAsync(address.Host, address.Port);
        return connection;
    }

    public async Task SendAsync(string text) => await socket.SendAsync(Encoding.Latin1.GetBytes(text));

    /// <summary>Sends chunks until they are all sent or the other side will have no more.</summary>
    public async Task FloodAsync(string before, byte[] chunk, string after, int times)
    {
        try
        {
            for (var i = 0; i < times; i++)
            {
                await SendAsync(before);
                await socket.SendAsync(chunk);
                await SendAsync(after);
            }
        }
        catch (SocketException)
        {
            // Cut off, as it should be.
        }
    }

    /// <summary>Sends a byte at a time until the other side will have no more.</summary>
    public async Task TrickleAsync(string text, TimeSpan each)
    {
        try
        {
            foreach (var letter in text)
            {
                await socket.SendAsync(new[] { (byte)letter });
                await Task.Delay(each, TimeProvider.System);
            }
        }
        catch (SocketException)
        {
            // Cut off, as it should be.
        }
    }

    /// <summary>Says that nothing more comes.</summary>
    public void EndSending() => socket.Shutdown(SocketShutdown.Send);

    /// <summary>What comes, until it holds a whole problem or the connection ends.</summary>
    public Task<string> ReadAsync() => ReadAsync(text => text.Contains("\"traceId\"", StringComparison.Ordinal));

    /// <summary>All that comes until the connection ends.</summary>
    public Task<string> ReadToEndAsync() => ReadAsync(_ => false);

    public ValueTask DisposeAsync()
    {
        socket.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task<string> ReadAsync(Func<string, bool> enough)
    {
        using var deadline = new CancellationTokenSource(Patience, TimeProvider.System);
        var text = new StringBuilder();
        var buffer = new byte[4096];
        try
        {
            while (!enough(text.ToString()) && await socket.ReceiveAsync(buffer, deadline.Token) is > 0 and var read)
                text.Append(Encoding.Latin1.GetString(buffer, 0, read));
        }
        catch (SocketException)
        {
            // Reset: what had come is what there is.
        }

        return text.ToString();
    }
}
