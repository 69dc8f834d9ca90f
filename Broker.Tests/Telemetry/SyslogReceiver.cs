using System.Net;
using System.Net.Sockets;

namespace Broker.Tests.Telemetry;

/// <summary>A server for syslog over TCP that takes whatever it is sent, and can be stopped and started on its port.</summary>
internal sealed class SyslogReceiver : IAsyncDisposable
{
    private TcpListener? listener;
    private Task serving = Task.CompletedTask;

    public SyslogReceiver() => Start();

    public int Port { get; private set; }

    public void Start()
    {
        listener = new(IPAddress.Loopback, Port);
        listener.Start();
        Port = ((IPEndPoint)listener.LocalEndpoint).Port;
        serving = ServeAsync(listener);
    }

    /// <summary>Ends it, and the connections to it.</summary>
    public async Task StopAsync()
    {
        listener?.Dispose();
        await serving;
    }

    public async ValueTask DisposeAsync() => await StopAsync();

    private static async Task ServeAsync(TcpListener listener)
    {
        List<Socket> connected = [];
        List<Task> reading = [];
        try
        {
            while (true)
            {
                var socket = await listener.AcceptSocketAsync();
                connected.Add(socket);
                reading.Add(ReadAsync(socket));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It was stopped.
        }

        foreach (var socket in connected) socket.Dispose();
        await Task.WhenAll(reading);
    }

    private static async Task ReadAsync(Socket socket)
    {
        var buffer = new byte[64 * 1024];
        try
        {
            while (await socket.ReceiveAsync(buffer) > 0)
            {
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Either side has ended it.
        }
    }
}
