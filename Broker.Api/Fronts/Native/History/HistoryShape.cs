using Broker.Core.Leases.History;
using Broker.Core.Ledger;

namespace Broker.Api.Fronts.Native.History;

/// <summary>The history of a database's connections.</summary>
/// <param name="Database">The database.</param>
/// <param name="Span">How far back: 1h, 6h, 1d or 7d.</param>
/// <param name="StretchSeconds">How long a stretch of time is.</param>
/// <param name="Stretches">The stretches in which something was counted, the oldest first.</param>
/// <param name="Peaks">The most that each role's holders had, most first.</param>
/// <param name="FullInSeconds">The time until nothing is free, at the rate of the last half hour; null when it is not filling up.</param>
/// <param name="Refusals">Who was refused what in the last week, the latest first, at most 100.</param>
public sealed record HistoryShape(
    string Database, string Span, int StretchSeconds, IReadOnlyList<HistoryShape.StretchShape> Stretches, IReadOnlyList<HistoryShape.PeakShape> Peaks,
    int? FullInSeconds, IReadOnlyList<HistoryShape.RefusalShape> Refusals)
{
    /// <summary>The spans, as requests name them.</summary>
    public static IReadOnlyDictionary<string, HistorySpan> Spans { get; } = new Dictionary<string, HistorySpan>(StringComparer.Ordinal)
    {
        ["1h"] = HistorySpan.Hour,
        ["6h"] = HistorySpan.SixHours,
        ["1d"] = HistorySpan.Day,
        ["7d"] = HistorySpan.Week,
    };

    /// <summary>The error for any other span.</summary>
    public const string NoSuchSpan = "'span' must be 1h, 6h, 1d or 7d.";

    /// <summary>A stretch of time; of each number the extreme.</summary>
    /// <param name="Start">When it began.</param>
    /// <param name="Limit">The server's limit.</param>
    /// <param name="Ceiling">What could be promised when nobody else used the database.</param>
    /// <param name="Foreign">The most in use by others.</param>
    /// <param name="Capacity">The least that could be promised.</param>
    /// <param name="Granted">The most promised.</param>
    /// <param name="Used">The most of both together.</param>
    /// <param name="Waiting">The most claims in line.</param>
    /// <param name="Free">The least free.</param>
    /// <param name="Refused">Claims refused.</param>
    public sealed record StretchShape(DateTimeOffset Start, int Limit, int Ceiling, int Foreign, int Capacity, int Granted, int Used, int Waiting, int Free, int Refused);

    /// <summary>The most that a role's holders had.</summary>
    /// <param name="Role">The role.</param>
    /// <param name="Connections">Promised to its holders.</param>
    /// <param name="At">When: the stretch that began then.</param>
    public sealed record PeakShape(string Role, int Connections, DateTimeOffset At);

    /// <summary>Who was refused what.</summary>
    /// <param name="Role">The role that was asked for.</param>
    /// <param name="Code">The refusal's code.</param>
    /// <param name="Caller">Who asked.</param>
    /// <param name="Count">How often.</param>
    /// <param name="First">When first.</param>
    /// <param name="Last">When last.</param>
    /// <param name="Words">The text of the last refusal.</param>
    public sealed record RefusalShape(string Role, string Code, string Caller, int Count, DateTimeOffset First, DateTimeOffset Last, string Words);

    /// <summary>Of a history.</summary>
    public static HistoryShape Of(DatabaseHistory history) => new(
        history.Database,
        Spans.First(span => span.Value == history.Span).Key,
        (int)history.Record.Width.TotalSeconds,
        [
            .. history.Record.Stretches.Where(stretch => stretch.Limit >= 0).Select(stretch => new StretchShape(
                stretch.Start, stretch.Limit, stretch.Ceiling, stretch.Foreign, stretch.Capacity, stretch.Granted, stretch.Used, stretch.Waiting, stretch.Free, stretch.Refused)),
        ],
        [.. history.Peaks.Select(peak => new PeakShape(peak.Role, peak.Connections, peak.Start))],
        history.FullIn is { } full ? (int)full.TotalSeconds : null,
        [.. history.Record.Refusals.Select(refusal => new RefusalShape(refusal.Role, refusal.Code, refusal.Caller, refusal.Count, refusal.First, refusal.Last, refusal.Words))]);
}
