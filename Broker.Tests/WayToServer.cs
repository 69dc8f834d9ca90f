using System.Net;
using System.Net.Sockets;

namespace Broker.Tests;

/// <summary>A way to a server on loopback, on a port of its own; what becomes of who comes is for those that derive from it.</summary>
internal abstract class WayToServer : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource stop = new();
    private readonly Task listening;

    protected WayToServer()
    {
        listener.Start();
        Port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listening = ListenAsync();
    }

    public int Port { get; }

    /// <summary>The port it leads to.</summary>
    public int Behind { get; set; }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await listening;
        listener.Dispose();
        stop.Dispose();
    }

    /// <summary>Before somebody who came is led on.</summary>
    protected virtual Task ComesAsync(CancellationToken cancellation) => Task.CompletedTask;

    /// <summary>Carries the server's answers.</summary>
    protected virtual Task AnswerAsync(NetworkStream server, NetworkStream guest, CancellationToken cancellation) => server.CopyToAsync(guest, cancellation);

    private async Task ListenAsync()
    {
        var guests = new List<Task>();
        try
        {
            while (true) guests.Add(LeadAsync(await listener.AcceptTcpClientAsync(stop.Token)));
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(guests);
        }
    }

    private async Task LeadAsync(TcpClient guest)
    {
        using (guest)
        {
            try
            {
                await ComesAsync(stop.Token);
                using var host = new TcpClient();
                await host.ConnectAsync(IPAddress.Loopback, Behind, stop.Token);
                // When one side has gone, the other is let go.
                await await Task.WhenAny(guest.GetStream().CopyToAsync(host.GetStream(), stop.Token), AnswerAsync(host.GetStream(), guest.GetStream(), stop.Token));
            }
            catch (Exception end) when (end is OperationCanceledException or SocketException or IOException)
            {
                // The test is over, or one side is.
            }
        }
    }
}
