using System.Collections.Concurrent;
using Broker.Core.Catalog;
using Broker.Core.Ledger;

namespace Broker.Core.Leases.Claims;

/// <summary>What this replica keeps per database: the queue of claims, and the waiters for the ledger's signals.</summary>
internal sealed class DatabaseChannels(SharedLedger ledger, ICatalog catalog, WaitingSettings waiting, RememberedGrants remembered, BrokerMetrics metrics, TimeProvider time) : IDisposable
{
    private readonly ConcurrentDictionary<string, Lazy<DatabaseChannel>> channels = new(StringComparer.Ordinal);

    public DatabaseChannel this[string database] => channels.GetOrAdd(database, name => new(() => new(
        new(ledger, name, () => (PaceOf(name), waiting.MaxInLine), metrics),
        new(ledger, name, time, (holder, mark, stays) => remembered.Gone(name, holder, mark, stays))))).Value;

    public void Dispose()
    {
        foreach (var channel in channels.Values) channel.Value.Signals.Dispose();
    }

    private PaceSettings PaceOf(string database) =>
        catalog.Current.Databases.TryGetValue(database, out var known) ? known.Issuing : new PaceSettings();
}

/// <summary>One database's queue and signals.</summary>
internal sealed record DatabaseChannel(ClaimQueue Claims, LedgerSignals Signals);
