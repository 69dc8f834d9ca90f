using System.Collections.Concurrent;
using Broker.Core.Ledger;

namespace Broker.Core.Leases.Claims;

/// <summary>How many connections each database can promise, as this replica read it a moment ago: for limits that are a part of it.</summary>
internal sealed class KnownCapacities(SharedLedger ledger, TimeProvider time)
{
    private static readonly TimeSpan FreshFor = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<string, (int Capacity, long ReadAt)> known = new(StringComparer.Ordinal);

    /// <summary>A database's capacity; 0: it was never counted, or the ledger has never answered.</summary>
    public async ValueTask<int> OfAsync(string database, CancellationToken cancellation)
    {
        if (known.TryGetValue(database, out var last) && time.GetElapsedTime(last.ReadAt) < FreshFor) return last.Capacity;
        try
        {
            var capacity = (await ledger.Budgets.BudgetAsync(database, [], cancellation)).Capacity;
            if (capacity > 0) known[database] = (capacity, time.GetTimestamp());
            return capacity > 0 ? capacity : last.Capacity;
        }
        catch (LedgerException)
        {
            return last.Capacity;
        }
    }
}
