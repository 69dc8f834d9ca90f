using System.Net;
using System.Net.Sockets;

namespace Broker.Tests.Ledger;

/// <summary>A way to a server on loopback whose answers can be held back, while whatever is sent to it goes through.</summary>
internal sealed class HeldAnswers : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource stop = new();
    private readonly int behind;
    private readonly Task listening;
    private volatile TaskCompletionSource pass = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="behind">The server's port.</param>
    public HeldAnswers(int behind)
    {
        this.behind = behind;
        LetGo();
        listener.Start();
        Port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listening = ListenAsync();
    }

    public int Port { get; }

    /// <summary>From now on no answer goes through.</summary>
    public void Hold() => pass = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>What was held goes through, and all that follows.</summary>
    public void LetGo() => pass.TrySetResult();

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
                using var host = new TcpClient();
                await host.ConnectAsync(IPAddress.Loopback, behind, stop.Token);
                // When one side has gone, the other is let go.
                await await Task.WhenAny(guest.GetStream().CopyToAsync(host.GetStream(), stop.Token), AnswerAsync(host.GetStream(), guest.GetStream()));
            }
            catch (Exception end) when (end is OperationCanceledException or SocketException or IOException)
            {
                // The test is over, or one side is.
            }
        }
    }

    private async Task AnswerAsync(NetworkStream from, NetworkStream to)
    {
        var buffer = new byte[65_536];
        while (await from.ReadAsync(buffer, stop.Token) is > 0 and var read)
        {
            await pass.Task.WaitAsync(stop.Token);
            await to.WriteAsync(buffer.AsMemory(0, read), stop.Token);
        }
    }
}
