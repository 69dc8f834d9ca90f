namespace LoadTests.Servers.LocalServers;

/// <summary>A local server did not start. The message says what is missing or holds the end of the server's own log.</summary>
public sealed class ServerStartException(string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Somebody else took the port between our look and the server's start: another port is worth a try.</summary>
    internal bool PortTaken { get; init; }
}
