using System.Net;
using System.Text.RegularExpressions;
using Broker.Core.Model;

namespace Broker.Core.Catalog.Reading;

internal static partial class SettingsReading
{
    private static readonly string[] RedisKeys = ["ConnectionString", "ConnectionStringFile", "PasswordFile", "CaFile", "CertificateFile", "KeyFile"];
    private static readonly string[] CertificateKeys = ["CertificateFile", "CertificateKeyFile"];

    public static BrokerSettings Read(SectionReader reader)
    {
        var ledger = Ledger(reader.Child("Ledger"));
        return new BrokerSettings
        {
            Ledger = ledger,
            Sealing = Sealing(reader, ledger.Kind),
            Audit = AuditReading.Read(reader.Child("Audit")),
            Waiting = Waiting(reader.Child("Waiting")),
            Limits = Limits(reader.Child("Limits")),
            Tls = Tls(reader),
            Proxies = Proxies(reader),
            ProxyHops = reader.Int("ProxyHops", 1, 1, 10),
            Drill = Drill(reader.Child("Drill")),
        };
    }

    // The file may only appear with the first drill, long after the start.
    private static DrillSettings Drill(SectionReader reader)
    {
        var drill = new DrillSettings
        {
            ReportFile = reader.Text("ReportFile"),
            Every = reader.Duration("Every", new DrillSettings().Every, TimeSpan.FromDays(1), TimeSpan.FromDays(1826)),
        };
        reader.RefuseUnknownKeys();
        return drill;
    }

    private static LedgerSettings Ledger(SectionReader reader)
    {
        var kind = reader.Choice<LedgerKind>("Kind") ?? LedgerKind.InProcess;
        var connection = reader.Secret("ConnectionString", required: kind is LedgerKind.Redis);
        var ledger = new LedgerSettings
        {
            Kind = kind,
            ConnectionString = connection,
            PasswordFile = reader.ReadableFile("PasswordFile"),
            CaFile = reader.CertificateFile("CaFile"),
            CertificateFile = reader.CertificateFile("CertificateFile"),
            KeyFile = reader.PrivateKeyFile("KeyFile"),
            Path = reader.Text("Path"),
            Prefix = reader.Text("Prefix") ?? LedgerSettings.DefaultPrefix,
            FormerMarks = reader.Texts("FormerMarks") ?? [],
        };
        if (kind is LedgerKind.File && ledger.Path is null)
            reader.Error("Path", "is missing.", "Name the ledger's file, on a volume that outlives the container, e.g. /var/lib/broker/data/ledger.db.");
        if (kind is not LedgerKind.File && ledger.Path is not null)
            reader.Error("Path", $"is set, but the ledger is {kind}.", "Set Kind to File, or remove it.");
        foreach (var key in RedisKeys.Where(key => kind is not LedgerKind.Redis && reader.Has(key)))
            reader.Error(key, $"is set, but the ledger is {kind}.", "Set Kind to Redis, or remove it.");
        if (kind is not LedgerKind.Redis && ledger.Prefix != LedgerSettings.DefaultPrefix)
            reader.Error("Prefix", $"is set, but the ledger is {kind}.", "Set Kind to Redis, or remove it.");
        if (reader.Has("CertificateFile") != reader.Has("KeyFile"))
            reader.Error(reader.Has("KeyFile") ? "CertificateFile" : "KeyFile", "is missing.", "A client certificate needs both CertificateFile and KeyFile.");
        if (ledger.FormerMarks.FirstOrDefault(mark => !BrokerMark.Is(mark)) is { } wrong)
            reader.Error("FormerMarks", $"has '{wrong}', which is not a mark.", "Write the four characters that the log names, or the refusal to drop a user.");
        if (!LedgerPrefix().IsMatch(ledger.Prefix))
            reader.Error("Prefix", "has characters that the broker's key names cannot have.", "Write 1 to 64 letters, digits, '-', '_', '.', ':' or '/', e.g. broker-staging.");
        reader.RefuseUnknownKeys();
        return ledger;
    }

    private static SealingSettings? Sealing(SectionReader parent, LedgerKind ledger)
    {
        const string mend = "Set Directory to one that all replicas share, or CertificateFile and CertificateKeyFile to a certificate that all of them have.";
        var reader = parent.Child("Sealing");
        var directory = reader.Text("Directory");
        var byCertificate = reader.Has("CertificateFile") || reader.Has("CertificateKeyFile");
        var sealing = new SealingSettings(directory, reader.CertificateFile("CertificateFile"), reader.PrivateKeyFile("CertificateKeyFile"));
        reader.RefuseUnknownKeys();

        if (directory is null && !byCertificate)
        {
            if (ledger is not LedgerKind.InProcess) reader.Error("", $"is missing, but passwords in {(ledger is LedgerKind.Redis ? "Redis" : "the ledger's file")} must be sealed.", mend);
            return null;
        }

        if (directory is not null && byCertificate)
            reader.Error("Directory", "is set beside a certificate.", "Keep one of the two.");
        if (directory is not null && !Directory.Exists(directory))
            reader.Error("Directory", "does not exist, or the broker's user cannot see it.", "Create or mount it; all replicas need the same one.");
        foreach (var key in CertificateKeys.Where(key => byCertificate && !reader.Has(key)))
            reader.Error(key, "is missing.", "A certificate needs both CertificateFile and CertificateKeyFile.");
        return sealing;
    }

    // No braces, which would move the hash tag, and no characters that are special in access list patterns.
    [GeneratedRegex(@"^[A-Za-z0-9_.:/-]{1,64}\z")]
    private static partial Regex LedgerPrefix();

    private static WaitingSettings Waiting(SectionReader reader)
    {
        var defaults = new WaitingSettings();
        var maxWait = reader.Duration("MaxWait", defaults.MaxWait, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(10));
        var fallback = defaults.Default < maxWait ? defaults.Default : maxWait;
        var waiting = new WaitingSettings
        {
            IssueDeadline = reader.Duration("IssueDeadline", defaults.IssueDeadline, TimeSpan.FromSeconds(5), TimeSpan.FromMinutes(5)),
            MaxWait = maxWait,
            Default = reader.Duration("Default", fallback, TimeSpan.Zero, maxWait),
            MaxInLine = reader.Int("MaxInLine", defaults.MaxInLine, 1, 1_000_000),
        };
        reader.RefuseUnknownKeys();
        return waiting;
    }

    private static LimitSettings Limits(SectionReader reader)
    {
        var defaults = new LimitSettings();
        var limits = new LimitSettings
        {
            MaxBodyBytes = reader.Int("MaxBodyBytes", defaults.MaxBodyBytes, 1_024, 1_048_576),
            MaxHeaderBytes = reader.Int("MaxHeaderBytes", defaults.MaxHeaderBytes, 8_192, 1_048_576),
            MaxConnections = reader.Int("MaxConnections", defaults.MaxConnections, 10, 1_000_000),
            FailedProofs = reader.Int("FailedProofs", defaults.FailedProofs, 1, 1_000_000),
            FailedProofsPerSecond = reader.Number("FailedProofsPerSecond", defaults.FailedProofsPerSecond, 0.1, 100_000),
        };
        reader.RefuseUnknownKeys();
        return limits;
    }

    private static TlsSettings? Tls(SectionReader parent)
    {
        if (!parent.HasGroup("Tls")) return null;
        var reader = parent.Child("Tls");
        foreach (var key in CertificateKeys.Where(key => !reader.Has(key)))
            reader.Error(key, "is missing.", "TLS needs both CertificateFile and CertificateKeyFile.");
        var tls = new TlsSettings
        {
            CertificateFile = reader.CertificateFile("CertificateFile") ?? "",
            CertificateKeyFile = reader.PrivateKeyFile("CertificateKeyFile") ?? "",
            ClientAuthorityFile = reader.CertificateFile("ClientAuthorityFile"),
            LookEvery = reader.Duration("LookEvery", TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(1), TimeSpan.FromHours(1)),
        };
        reader.RefuseUnknownKeys();
        return tls;
    }

    private static IReadOnlyList<string> Proxies(SectionReader reader)
    {
        var proxies = reader.Texts("Proxies") ?? [];
        for (var i = 0; i < proxies.Count; i++)
        {
            if (!IPNetwork.TryParse(proxies[i], out var network))
                reader.Error($"Proxies:{i}", "is not a network.", "Write a single address such as 10.0.0.7/32, or a network of proxies only, such as 10.0.7.0/28 or fd00:7::/64.");
            else if (network.CoversEverybody())
                reader.Error($"Proxies:{i}", "covers every address: any client could forge its address.", "Name the networks of your proxies.");
        }

        return proxies;
    }
}
