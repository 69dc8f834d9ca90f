using System.Collections.Concurrent;

namespace Broker.Core.Duties;

/// <summary>
/// What time it is in each part of the ledger, as it was told last and by this replica's stopwatch since: a little behind, never ahead.
/// The ledger's time may thus go on from there when its server's clock fell back, or when it lost what told of that (law L9).
/// </summary>
internal sealed class LedgerTimes(TimeProvider time)
{
    private readonly ConcurrentDictionary<string, (DateTimeOffset Now, long At)> told = new(StringComparer.Ordinal);

    public void Told(string name, DateTimeOffset now) => told[name] = (now, time.GetTimestamp());

    /// <summary>Null: it was not told yet.</summary>
    public DateTimeOffset? Of(string name) => told.TryGetValue(name, out var last) ? last.Now + time.GetElapsedTime(last.At) : null;
}
