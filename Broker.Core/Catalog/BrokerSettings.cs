using Broker.Core.Model;

namespace Broker.Core.Catalog;

/// <summary>What is fixed when the broker starts; changing any of it needs a restart.</summary>
public sealed record BrokerSettings
{
    /// <summary>Where the replicas' shared state is.</summary>
    public LedgerSettings Ledger { get; init; } = new();

    /// <summary>What seals passwords in the ledger; null only with the ledger in the process's memory.</summary>
    public SealingSettings? Sealing { get; init; }

    /// <summary>Where the audit goes.</summary>
    public AuditSettings Audit { get; init; } = new();

    /// <summary>How long callers wait.</summary>
    public WaitingSettings Waiting { get; init; } = new();

    /// <summary>Limits on requests and on addresses.</summary>
    public LimitSettings Limits { get; init; } = new();

    /// <summary>The broker's certificate and the certificates it asks for; null: whatever Kestrel is configured with.</summary>
    public TlsSettings? Tls { get; init; }

    /// <summary>
    /// Networks (<c>10.0.0.0/8</c>) of the proxies whose <c>X-Forwarded-For</c> and <c>-Proto</c> are trusted; when empty, none are,
    /// and the address of a request is its connection's.
    /// </summary>
    public IReadOnlyList<string> Proxies { get; init => field = new TextList(value); } = new TextList([]);

    /// <summary>The DBA's page, and how people sign in to it.</summary>
    public PageSettings Page { get; init; } = new();

    /// <summary>The recovery drill.</summary>
    public DrillSettings Drill { get; init; } = new();

    /// <summary>The admission webhook for Kubernetes.</summary>
    public AdmissionSettings Admission { get; init; } = new();

    /// <summary>
    /// How many proxies are in front of the broker, one behind the other (1 to 10, default 1): this many addresses of
    /// <c>X-Forwarded-For</c> are trusted, from its end.
    /// </summary>
    public int ProxyHops { get; init; } = 1;
}

/// <summary>Which ledger.</summary>
public enum LedgerKind
{
    /// <summary>The memory of this process (the default): for one replica; a restart loses everything.</summary>
    InProcess,

    /// <summary>Redis, shared by all replicas.</summary>
    Redis,

    /// <summary>A file: for one replica; a restart loses nothing.</summary>
    File,
}

/// <summary>The ledger.</summary>
public sealed record LedgerSettings
{
    /// <summary>Which one (default <see cref="LedgerKind.InProcess"/>).</summary>
    public LedgerKind Kind { get; init; }

    /// <summary>The default prefix of its key names.</summary>
    public const string DefaultPrefix = "broker";

    /// <summary>StackExchange.Redis's connection string, which may hold a password; needed with Redis, null otherwise.</summary>
    public Secret? ConnectionString { get; init; }

    /// <summary>File with the password, read again at each connect; null: as the connection string says.</summary>
    public string? PasswordFile { get; init; }

    /// <summary>PEM file of the authorities that are trusted in place of the system's; null: the system's.</summary>
    public string? CaFile { get; init; }

    /// <summary>PEM file of the client's certificate, read again at each connect; null: none.</summary>
    public string? CertificateFile { get; init; }

    /// <summary>PEM file of its private key; null without one.</summary>
    public string? KeyFile { get; init; }

    /// <summary>The file, with <see cref="LedgerKind.File"/>; null otherwise.</summary>
    public string? Path { get; init; }

    /// <summary>
    /// The prefix of all keys and channels: brokers with the same prefix share a ledger, others share only the
    /// server (default <see cref="DefaultPrefix"/>).
    /// </summary>
    public string Prefix { get; init; } = DefaultPrefix;

    /// <summary>
    /// Marks (four characters) of brokers that are gone, or whose ledger was lost: database users with one of them belong to this broker (default:
    /// none).
    /// </summary>
    public IReadOnlyList<string> FormerMarks { get; init => field = new TextList(value); } = new TextList([]);
}

/// <summary>The keys that seal secrets in the ledger: a directory all replicas share, or a certificate they all have.</summary>
/// <param name="Directory">Directory of the key ring; null with a certificate.</param>
/// <param name="CertificateFile">PEM certificate; null with a directory.</param>
/// <param name="CertificateKeyFile">PEM private key of the certificate; null with a directory.</param>
public sealed record SealingSettings(string? Directory, string? CertificateFile, string? CertificateKeyFile);

/// <summary>The recovery drill, whose age is an indicator.</summary>
public sealed record DrillSettings
{
    /// <summary>The JSON report of the last drill; null: none.</summary>
    public string? ReportFile { get; init; }

    /// <summary>How old the last one may be (1 day to 5 years, default 90 days).</summary>
    public TimeSpan Every { get; init; } = TimeSpan.FromDays(90);
}

/// <summary>How long and how many wait.</summary>
public sealed record WaitingSettings
{
    /// <summary>How long one issue may take from its turn on, login check included, before another replica may take over (5 s to 5 min, default 30 s).</summary>
    public TimeSpan IssueDeadline { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a claim waits that does not say how long (0 to <see cref="MaxWait"/>, default 10 s).</summary>
    public TimeSpan Default { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The longest a claim may ask to wait (1 s to 10 min, default 60 s).</summary>
    public TimeSpan MaxWait { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The most claims that wait in one line (1 to 1,000,000, default 10,000).</summary>
    public int MaxInLine { get; init; } = 10_000;
}

/// <summary>Limits on requests, and on what one address may try.</summary>
public sealed record LimitSettings
{
    /// <summary>The longest request body, in bytes (1,024 to 1,048,576, default 16,384).</summary>
    public int MaxBodyBytes { get; init; } = 16_384;

    /// <summary>The longest request headers, all together, in bytes (8,192 to 1,048,576, default 49,152).</summary>
    public int MaxHeaderBytes { get; init; } = 48 * 1024;

    /// <summary>Connections at once (10 to 1,000,000, default 20,000); any further one is closed.</summary>
    public int MaxConnections { get; init; } = 20_000;

    /// <summary>
    /// Proofs that may fail from one address before its further failures are throttled (1 to 1,000,000, default 100). Tokens that
    /// were proven lately are not affected.
    /// </summary>
    public int FailedProofs { get; init; } = 100;

    /// <summary>Proofs a second that a throttled address may still try (0.1 to 100,000, default 5).</summary>
    public double FailedProofsPerSecond { get; init; } = 5;
}
