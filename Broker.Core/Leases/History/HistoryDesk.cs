using System.Collections.Concurrent;
using Broker.Core.Catalog;
using Broker.Core.Ledger;

namespace Broker.Core.Leases.History;

/// <summary>A database's history, with its conclusions.</summary>
/// <param name="Database">The database.</param>
/// <param name="Span">How far back it goes.</param>
/// <param name="Record">The ledger's data.</param>
/// <param name="Peaks">The most that each role's holders had, and when; most first.</param>
/// <param name="FullIn">The time until nothing is free, at the rate of the last half hour; null when it is not filling up.</param>
public sealed record DatabaseHistory(string Database, HistorySpan Span, HistoryRecord Record, IReadOnlyList<HistoryPeak> Peaks, TimeSpan? FullIn)
{
    /// <summary>The stretch with the most in use; null: nothing was counted.</summary>
    public HistoryStretch? Fullest => Record.Stretches.Where(stretch => stretch.Limit >= 0).MaxBy(stretch => stretch.Used);

    /// <summary>Claims refused in the whole span.</summary>
    public int Refused => Record.Stretches.Sum(stretch => stretch.Refused);
}

/// <summary>Reads histories for display. However many viewers there are, the ledger is asked at most once in ten seconds.</summary>
public sealed class HistoryDesk(ICatalog catalog, HistoryLedger ledger, TimeProvider time)
{
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<(string, HistorySpan), (long At, DatabaseHistory History)> last = new();

    /// <summary>A database's history; null when the catalog has no such database.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async ValueTask<DatabaseHistory?> ReadAsync(string database, HistorySpan span, CancellationToken cancellation)
    {
        if (!catalog.Current.Databases.ContainsKey(database)) return null;
        if (last.TryGetValue((database, span), out var known) && time.GetElapsedTime(known.At) < Fresh) return known.History;
        var minutes = await ledger.ReadAsync(database, HistorySpan.SixHours, cancellation);
        var record = span == HistorySpan.SixHours ? minutes : await ledger.ReadAsync(database, span, cancellation);
        // The finest has no peaks of roles: the minutes of the same hour have.
        var peaks = span == HistorySpan.Hour ? minutes.Peaks.Where(peak => peak.Start >= minutes.Now - TimeSpan.FromHours(1)) : record.Peaks;
        var history = new DatabaseHistory(
            database, span, record,
            [.. peaks.GroupBy(peak => peak.Role, StringComparer.Ordinal).Select(role => role.MaxBy(peak => peak.Connections)!).OrderByDescending(peak => peak.Connections).ThenBy(peak => peak.Role, StringComparer.Ordinal)],
            Trend.FullIn(minutes));
        last[(database, span)] = (time.GetTimestamp(), history);
        return history;
    }
}
