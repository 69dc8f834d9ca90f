using Broker.Core.Model;

namespace Broker.Core.Catalog;

/// <summary>The audit. Every sink named here gets every record; a request is refused when none takes its record.</summary>
public sealed record AuditSettings
{
    /// <summary>The <see cref="Path"/> that means standard output.</summary>
    public const string StandardOutput = "-";

    /// <summary>A path that keeps nothing, which any number of processes may use: a rehearsal's records go there.</summary>
    internal const string Nowhere = "/dev/null";

    /// <summary>The file when no sink is named.</summary>
    public const string DefaultPath = "broker-audit.jsonl";

    private const int UnprovenFiles = 64;

    /// <summary>
    /// File that is appended to (default <c>broker-audit.jsonl</c> in the working directory when no other sink is named, else
    /// none); <c>-</c>: standard output.
    /// </summary>
    public string? Path { get; init; } = DefaultPath;

    /// <summary>
    /// Separate file for refusals of unproven callers (default: <see cref="Path"/> with <c>-unproven</c> before its
    /// extension); only where <see cref="Path"/> is a file: the other sinks get a few of them, and their sums, among the rest.
    /// </summary>
    public string? UnprovenPath { get; init; }

    /// <summary>The size of that file and its old ones together, in MiB (64 to 1,048,576, default 2048: more than a week of the worst case).</summary>
    public int UnprovenMegabytes { get; init; } = 2048;

    /// <summary>Whether each batch is forced to the disk before its answers leave (default false: a quarter fewer claims a second).</summary>
    public bool Fsync { get; init; }

    /// <summary>Whether standard output also gets the records (<c>StandardOutput</c>, default false).</summary>
    public bool AlsoToStandardOutput { get; init; }

    /// <summary>When the file is rotated.</summary>
    public AuditRotation Rotation { get; init; } = new();

    /// <summary>A syslog server; null: none.</summary>
    public SyslogSettings? Syslog { get; init; }

    /// <summary>An OTLP collector; null: none.</summary>
    public OtlpSettings? Otlp { get; init; }

    /// <summary>
    /// PEM file of the EC private key that signs checkpoints; null: they are not signed, and whoever can write the audit can
    /// rewrite all of it.
    /// </summary>
    public string? SigningKeyFile { get; init; }

    /// <summary>
    /// How often the last checkpoint is also written to the log (0 to 1 day, default 5 minutes; 0: never), where signing is on:
    /// there it survives a truncation of the audit.
    /// </summary>
    public TimeSpan AnchorEvery { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// The key that tokens are hashed with (16 characters or more; <c>HashKey</c> or <c>HashKeyFile</c>); null: a new one at
    /// every start, so that hashes of two replicas, or of two starts, cannot be compared.
    /// </summary>
    public Secret? HashKey { get; init; }

    /// <summary>Whether these settings come from <see cref="ForUnproven"/>, so that warnings for both records are given only once.</summary>
    public bool IsOfUnproven { get; init; }

    /// <summary>The settings of the record of unproven callers' refusals; null when these go where everything else goes.</summary>
    public AuditSettings? ForUnproven() => Path is not { } path || path == StandardOutput ? null : this with
    {
        Path = UnprovenPath ?? System.IO.Path.Combine(System.IO.Path.GetDirectoryName(path) ?? "", $"{System.IO.Path.GetFileNameWithoutExtension(path)}-unproven{System.IO.Path.GetExtension(path)}"),
        IsOfUnproven = true,
        AlsoToStandardOutput = false,
        Syslog = null,
        Otlp = null,
        Fsync = false,

        // The log's anchors are of one audit: of two, a verifier that is given one finds the other missing.
        AnchorEvery = TimeSpan.Zero,
        Rotation = new() { MaxMegabytes = Math.Max(1, UnprovenMegabytes / UnprovenFiles), MaxAge = Rotation.MaxAge, Keep = UnprovenFiles - 1 },
    };
}

/// <summary>When the audit file is rotated. The old file is named after its last record's number.</summary>
public sealed record AuditRotation
{
    /// <summary>The size at which it is rotated, in MiB (0 to 1,048,576, default 256; 0: any).</summary>
    public int MaxMegabytes { get; init; } = 256;

    /// <summary>The age at which it is rotated (0 to 366 days, default 1 day; 0: any).</summary>
    public TimeSpan MaxAge { get; init; } = TimeSpan.FromDays(1);

    /// <summary>Old files kept (1 to 100,000, default 90).</summary>
    public int Keep { get; init; } = 90;
}

/// <summary>A syslog server (RFC 5424).</summary>
public sealed record SyslogSettings
{
    /// <summary><c>tcp://host:port</c>, <c>udp://host:port</c>, or <c>unix:///dev/log</c>.</summary>
    public required Uri Address { get; init; }

    /// <summary>Its facility (0 to 23, default 13, log audit).</summary>
    public int Facility { get; init; } = 13;
}

/// <summary>An OTLP collector.</summary>
/// <param name="Endpoint">Its base address for HTTP, e.g. <c>http://collector:4318</c>; <c>/v1/logs</c> is added.</param>
public sealed record OtlpSettings(Uri Endpoint);
