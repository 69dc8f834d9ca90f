namespace Broker.Core.Audit;

/// <summary>Where the audit goes (<c>Broker:Audit</c>).</summary>
public sealed record AuditSettings
{
    /// <summary>The path that means standard output.</summary>
    public const string StandardOutput = "-";

    /// <summary>
    /// The file that lines are appended to, one JSON object each; made with owner-only rights when it is not there, in a
    /// directory that must be. <c>-</c> (the default) is standard output. Every replica needs a file of its own.
    /// </summary>
    public string Path { get; init; } = StandardOutput;

    /// <summary>
    /// Whether a batch also has to reach the disk itself before its answers leave, so that a power failure loses nothing
    /// (default false: it has reached the operating system). Costs about a quarter of the claims a second.
    /// </summary>
    public bool Fsync { get; init; }

    /// <summary>Records that may wait for their write (1 or more, default 20,000). One more is refused at once (law L10).</summary>
    public int QueueLimit { get; init; } = 20_000;

    /// <summary>How long one write may take (default 5 s) before those who wait for it are refused (law L10).</summary>
    public TimeSpan Deadline { get; init; } = TimeSpan.FromSeconds(5);
}
