using System.Security.Cryptography;

namespace Broker.Core.Catalog.Reading;

internal static class AuditReading
{
    private const int ShortestHashKey = 16;

    public static AuditSettings Read(SectionReader reader)
    {
        var syslog = Syslog(reader);
        var otlp = Otlp(reader);
        var standardOutput = reader.Flag("StandardOutput", false);
        var audit = new AuditSettings
        {
            Path = reader.Text("Path") ?? (syslog is null && otlp is null && !standardOutput ? AuditSettings.DefaultPath : null),
            UnprovenPath = reader.Text("UnprovenPath"),
            UnprovenMegabytes = reader.Int("UnprovenMegabytes", new AuditSettings().UnprovenMegabytes, 64, 1_048_576),
            Fsync = reader.Flag("Fsync", false),
            AlsoToStandardOutput = standardOutput,
            Rotation = Rotation(reader.Child("Rotation")),
            Syslog = syslog,
            Otlp = otlp,
            SigningKeyFile = SigningKeyFile(reader),
            AnchorEvery = reader.Duration("AnchorEvery", new AuditSettings().AnchorEvery, TimeSpan.Zero, TimeSpan.FromDays(1)),
            HashKey = reader.Secret("HashKey", required: false),
        };
        if (audit.Fsync && audit.Path is null or AuditSettings.StandardOutput)
            reader.Error("Fsync", "is set, but only a file can be forced to a disk.", "Set Path to a file, or remove Fsync.");
        if (audit.UnprovenPath is not null && audit.ForUnproven() is null)
            reader.Error("UnprovenPath", "is set, but the audit is not written to a file.", "Set Path to a file, or remove UnprovenPath.");
        if (audit.ForUnproven() is { } apart && apart.Path == audit.Path)
            reader.Error("UnprovenPath", "is the same file as Path.", "Use a separate file: anybody can fill this one.");
        if (audit.HashKey is { } key && key.Reveal().Length < ShortestHashKey)
            reader.Error("HashKey", $"is shorter than {ShortestHashKey} characters.", "openssl rand -base64 32 makes one.");
        reader.RefuseUnknownKeys();
        return audit;
    }

    private static AuditRotation Rotation(SectionReader reader)
    {
        var defaults = new AuditRotation();
        var rotation = new AuditRotation
        {
            MaxMegabytes = reader.Int("MaxMegabytes", defaults.MaxMegabytes, 0, 1_048_576),
            MaxAge = reader.Duration("MaxAge", defaults.MaxAge, TimeSpan.Zero, TimeSpan.FromDays(366)),
            Keep = reader.Int("Keep", defaults.Keep, 1, 100_000),
        };
        reader.RefuseUnknownKeys();
        return rotation;
    }

    private static SyslogSettings? Syslog(SectionReader parent)
    {
        const string mend = "Write tcp://host:port, udp://host:port or unix:///path/of/a/socket.";
        if (!parent.HasGroup("Syslog")) return null;
        var reader = parent.Child("Syslog");
        var text = reader.RequiredText("Address", mend);
        var facility = reader.Int("Facility", 13, 0, 23);
        reader.RefuseUnknownKeys();
        if (text.Length == 0) return null;
        var good = Uri.TryCreate(text, UriKind.Absolute, out var address) && address.UserInfo.Length == 0 && address.Scheme switch
        {
            "tcp" or "udp" => address is { Port: > 0, Host.Length: > 0, AbsolutePath: "/" or "" },
            "unix" => address is { Host.Length: 0, LocalPath.Length: > 1 },
            _ => false,
        };
        if (!good) reader.Error("Address", "is not the address of a syslog server.", mend);
        return good ? new SyslogSettings { Address = address!, Facility = facility } : null;
    }

    private static OtlpSettings? Otlp(SectionReader parent)
    {
        if (!parent.HasGroup("Otlp")) return null;
        var reader = parent.Child("Otlp");
        var plain = reader.Flag("AllowInsecureTransport", false);
        var endpoint = reader.ServerAddress(
            "Endpoint", "Write the collector's base address, e.g. https://collector:4318.", plain,
            " Or set AllowInsecureTransport if you trust the network in between.");
        reader.RefuseUnknownKeys();
        return endpoint is null ? null : new OtlpSettings(endpoint);
    }

    private static string? SigningKeyFile(SectionReader reader)
    {
        if (reader.ReadableFile("SigningKeyFile") is not { } file) return null;
        try
        {
            using var key = ECDsa.Create();
            key.ImportFromPem(File.ReadAllText(file));
            key.ExportParameters(includePrivateParameters: true);
            return file;
        }
        catch (Exception error) when (error is ArgumentException or CryptographicException)
        {
            reader.Error("SigningKeyFile", "holds no EC private key in PEM.", "openssl ecparam -name prime256v1 -genkey -noout makes one.");
            return null;
        }
    }
}
