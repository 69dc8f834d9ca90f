namespace Broker.Core.Model;

/// <summary>Where a database server listens: a host and a port, or the path of a Unix socket (or of the folder it is in), which begins with a slash.</summary>
/// <param name="Host">A host name, an address (of version 6 without brackets), or a path.</param>
/// <param name="Port">1 to 65535.</param>
public readonly record struct ServerAddress(string Host, int Port)
{
    /// <summary>Whether it is a Unix socket.</summary>
    public bool IsSocket => Host.StartsWith('/');

    /// <summary>The same place: names of hosts are read in any case, paths as they are.</summary>
    public bool Equals(ServerAddress other) => Port == other.Port && string.Equals(Host, other.Host, IsSocket ? StringComparison.Ordinal : StringComparison.OrdinalIgnoreCase);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Port, StringComparer.OrdinalIgnoreCase.GetHashCode(Host));

    /// <summary>Reads a list such as <c>pg1,pg2:5433,[::1]:5432</c>.</summary>
    /// <param name="hosts">Separated by commas, each with a port of its own or without.</param>
    /// <param name="port">The port of those that name none.</param>
    /// <exception cref="FormatException">A port is no number from 1 to 65535.</exception>
    public static IReadOnlyList<ServerAddress> ListOf(string hosts, int port) =>
        [.. hosts.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(host => Of(host, port))];

    /// <summary>The same, when there is one at least and each has a port that exists.</summary>
    /// <exception cref="FormatException">It is otherwise.</exception>
    public static IReadOnlyList<ServerAddress> Checked(IReadOnlyList<ServerAddress> servers) =>
        servers.Count > 0 && servers.All(server => server.Port is > 0 and <= 65_535) ? servers : throw new FormatException("There is no server, or a port is not from 1 to 65535.");

    /// <summary><c>host:port</c>, with brackets around an address of version 6; a socket's path alone.</summary>
    public override string ToString() =>
        IsSocket ? Host : Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]:{Port}" : $"{Host}:{Port}";

    private static ServerAddress Of(string text, int port)
    {
        if (text.StartsWith('/')) return new(text, port);
        var colon = text.LastIndexOf(':');
        if (text.StartsWith('['))
        {
            var end = text.IndexOf(']', StringComparison.Ordinal);
            if (end < 0) throw new FormatException($"'{text}' has no closing bracket.");
            return new(text[1..end], end == text.Length - 1 ? port : PortOf(text[(end + 1)..].TrimStart(':')));
        }

        // Several colons without brackets are an address of version 6 alone.
        return colon < 0 || text.IndexOf(':', StringComparison.Ordinal) != colon ? new(text, port) : new(text[..colon], PortOf(text[(colon + 1)..]));
    }

    private static int PortOf(string text) =>
        int.TryParse(text, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var port) && port is > 0 and <= 65_535
            ? port
            : throw new FormatException($"'{text}' is not a port from 1 to 65535.");
}
