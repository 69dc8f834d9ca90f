using System.Collections.Concurrent;

namespace Broker.Core.Duties;

/// <summary>
/// The current time in each part of the ledger: the last reported time plus this replica's stopwatch since, so a little behind, never ahead.
/// The ledger's time can continue from there when its server's clock fell back, or when it lost its record of that (law L9).
/// </summary>
internal sealed class LedgerTimes(TimeProvider time)
{
    private readonly ConcurrentDictionary<string, (DateTimeOffset Now, long At)> told = new(StringComparer.Ordinal);

    public void Told(string name, DateTimeOffset now) => told[name] = (now, time.GetTimestamp());

    /// <summary>The time; null when it has not been reported yet.</summary>
    public DateTimeOffset? Of(string name) => told.TryGetValue(name, out var last) ? last.Now + time.GetElapsedTime(last.At) : null;
}
