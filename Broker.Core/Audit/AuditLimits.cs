namespace Broker.Core.Audit;

/// <summary>How many records may wait for the audit, and how long (law L10).</summary>
public sealed record AuditLimits
{
    /// <summary>Records that may wait for their write (1 or more, default 20,000). One more is refused at once.</summary>
    public int Queue { get; init; } = 20_000;

    /// <summary>How long one write may take (more than 0, default 5 s) before those who wait for it are refused.</summary>
    public TimeSpan Deadline { get; init; } = TimeSpan.FromSeconds(5);
}
