using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace LoadTests.Servers.LocalServers;

/// <summary>
/// Free ports on 127.0.0.1. A port is never handed out twice by one process; against other processes each is looked at
/// first, and a server that finds its port taken after all is started again on another.
/// </summary>
internal static class LoopbackPort
{
    // Below Linux' range for outgoing connections (from 32768), so that no client's socket takes a port between the look and the start.
    private const int First = 20_000, Last = 32_000, Tries = 5;

    private static readonly ConcurrentDictionary<int, bool> HandedOut = new();

    public static int Take()
    {
        for (var tries = 0; tries < Last - First; tries++)
        {
            var port = Random.Shared.Next(First, Last);
            if (HandedOut.TryAdd(port, true) && IsFree(port))
                return port;
        }

        throw new ServerStartException($"No port between {First} and {Last} is free on 127.0.0.1: end processes that listen there.");
    }

    /// <summary>Starts something on a free port, and again on another when somebody else was faster.</summary>
    public static async Task<T> StartOnAsync<T>(Func<int, Task<T>> start)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                return await start(Take());
            }
            catch (ServerStartException failure) when (failure.PortTaken && tries < Tries)
            {
                // Another process listens there now; the next port is a new chance.
            }
        }
    }

    private static bool IsFree(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
