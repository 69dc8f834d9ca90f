using System.Net.Sockets;
using LoadTests.Servers.LocalServers;

namespace Broker.Tests.LocalServers;

/// <summary>Waits until a server's port refuses and its directory is gone.</summary>
internal static class NothingLeft
{
    public static Task OfAsync(int port, string? directory, CancellationToken cancellation) => Poll.UntilAsync(
        async cancel => !Directory.Exists(directory) && await RefusesAsync(port, cancel),
        TimeSpan.FromSeconds(20),
        $"port {port} to close and {directory} to be gone",
        cancellation);

    private static async Task<bool> RefusesAsync(int port, CancellationToken cancellation)
    {
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync("127.0.0.1", port, cancellation);
            return false;
        }
        catch (SocketException refused) when (refused.SocketErrorCode == SocketError.ConnectionRefused)
        {
            return true;
        }
    }
}
