using Broker.Core.Model;

namespace Broker.Core.Catalog.Reading;

/// <summary>Reads where and how pods connect.</summary>
internal static class PodsReading
{
    /// <summary>The settings of a database for all its pods.</summary>
    public static PodSettings ReadOfDatabase(SectionReader parent)
    {
        var reader = parent.Child("Pods");
        var pods = ReadTls(reader);
        reader.RefuseUnknownKeys();
        return pods;
    }

    /// <summary>The settings of a role for its pods; null when it has none.</summary>
    public static PodSettings? ReadOfRole(SectionReader parent, DatabaseEngineKind? engine)
    {
        var reader = parent.Child("Pods");
        var pods = ReadTls(reader) with
        {
            Host = reader.Text("Host") is { } hosts ? Hosts(reader, hosts, engine) : null,
            Port = reader.OptionalInt("Port", 1, 65_535),
            DatabaseName = reader.Text("Name"),
        };
        reader.RefuseUnknownKeys();
        return pods == new PodSettings() ? null : pods;
    }

    /// <summary>One host, several, or a socket's path; mistakes are noted.</summary>
    public static string Hosts(SectionReader reader, string text, DatabaseEngineKind? engine)
    {
        if (text.Length == 0) return text;
        try
        {
            var hosts = ServerAddress.ListOf(text, 1);
            if (hosts.Count == 0 || hosts.Any(host => !host.IsSocket && Uri.CheckHostName(host.Host) == UriHostNameType.Unknown) || text.Contains("://", StringComparison.Ordinal))
                reader.Error("Host", "is not a host name or address.", "Write it without scheme or port; the port goes into Port. Separate several by commas; for a Unix socket, write its path.");
            else if (hosts.Count > 1 && hosts.Any(host => host.IsSocket))
                reader.Error("Host", "has a Unix socket among several hosts.", "Write only the socket's path.");
            else if (hosts.Count > 1 && engine == DatabaseEngineKind.MySql && hosts.Any(host => host.Port != 1))
                reader.Error("Host", "gives one of several hosts its own port, but the engine is MySql.", "Write one Port for all: clients of MySQL take only one.");
            else if (hosts.Count == 1 && !hosts[0].IsSocket && hosts[0].Port != 1)
                reader.Error("Host", "is not a host name or address.", "Write it without scheme or port; the port goes into Port.");
        }
        catch (FormatException e)
        {
            reader.Error("Host", $"cannot be read: {e.Message}", "Write host or host:port, several separated by commas, IPv6 addresses in brackets.");
        }

        return text;
    }

    private static PodSettings ReadTls(SectionReader reader)
    {
        var pods = new PodSettings
        {
            SslMode = reader.Choice<PodSslMode>("SslMode"),
            CaFile = reader.Text("CaFile"),
            CertificateFile = reader.Text("CertificateFile"),
            KeyFile = reader.Text("KeyFile"),
        };
        if (pods.SslMode == PodSslMode.Disable && (pods.CaFile ?? pods.CertificateFile ?? pods.KeyFile) is not null)
            reader.Error("SslMode", "is Disable, but files for TLS are named beside it.", "Remove the files, or write another mode.");
        if (pods.KeyFile is not null && pods.CertificateFile is null)
            reader.Error("KeyFile", "is set without CertificateFile.", "Write both, or neither.");
        return pods;
    }
}
