using System.Collections.Concurrent;

namespace Broker.Core.Ledger;

/// <summary>
/// The highest mark that this replica has seen of each database's records: a claim that is sent after a mark was seen is later than everything
/// released before it.
/// </summary>
public sealed class SeenMarks
{
    private readonly ConcurrentDictionary<string, long> seen = new(StringComparer.Ordinal);

    /// <summary>The highest; 0: none.</summary>
    public long Of(string database) => seen.GetValueOrDefault(database);

    /// <summary>Remembers one that was seen.</summary>
    public void Saw(string database, long mark)
    {
        if (mark > Of(database)) seen.AddOrUpdate(database, mark, (_, known) => Math.Max(known, mark));
    }
}
