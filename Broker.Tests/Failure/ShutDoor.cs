using System.Net;
using System.Net.Sockets;

namespace Broker.Tests.Failure;

/// <summary>A way to a server on loopback that can be shut: who comes is let in, and waits there until it is opened.</summary>
internal sealed class ShutDoor : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource stop = new();
    private readonly TaskCompletionSource opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task listening;
    private int waiting;

    public ShutDoor()
    {
        listener.Start();
        Port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listening = ListenAsync();
    }

    public int Port { get; }

    /// <summary>The port it leads to.</summary>
    public int Behind { get; set; }

    /// <summary>How many have come to the shut door.</summary>
    public int Waiting => Volatile.Read(ref waiting);

    public void Open() => opened.TrySetResult();

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await listening;
        listener.Dispose();
        stop.Dispose();
    }

    private async Task ListenAsync()
    {
        var guests = new List<Task>();
        try
        {
            while (true)
                guests.Add(LeadAsync(await listener.AcceptTcpClientAsync(stop.Token)));
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
                Interlocked.Increment(ref waiting);
                await opened.Task.WaitAsync(stop.Token);
                using var host = new TcpClient();
                await host.ConnectAsync(IPAddress.Loopback, Behind, stop.Token);
                // When one side has gone, the other is let go.
                await Task.WhenAny(
                    guest.GetStream().CopyToAsync(host.GetStream(), stop.Token), host.GetStream().CopyToAsync(guest.GetStream(), stop.Token));
            }
            catch (Exception end) when (end is OperationCanceledException or SocketException or IOException)
            {
                // The test is over, or one side is.
            }
        }
    }
}
