using System.Collections.Concurrent;

namespace Broker.Core.Ledger;

/// <summary>
/// The highest sequence number that this replica saw of each database's records. A ledger that answers a lower one has lost its last
/// writes (law L8), and a claim that is sent after one was seen comes after whatever was released before it.
/// </summary>
public sealed class SeenSequences
{
    private readonly ConcurrentDictionary<string, long> seen = new(StringComparer.Ordinal);

    /// <summary>The highest; 0: none.</summary>
    public long Of(string database) => seen.GetValueOrDefault(database);

    /// <summary>Remembers one that was seen.</summary>
    public void Saw(string database, long sequence)
    {
        if (sequence > Of(database)) seen.AddOrUpdate(database, sequence, (_, known) => Math.Max(known, sequence));
    }
}
