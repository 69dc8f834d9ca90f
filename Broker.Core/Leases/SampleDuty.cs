using Broker.Core.Budgets;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Ledger;
using Broker.Core.Words;

namespace Broker.Core.Leases;

/// <summary>The duty <c>sample</c>: counts a database's connections and writes what may be promised.</summary>
internal sealed class SampleDuty(SharedLedger ledger, BudgetSampler sampler, CeilingDesk ceilings)
{
    /// <summary>Counts and writes. Answers when to do so again.</summary>
    /// <exception cref="DatabaseException">The database did not answer: the last count grows stale, and nothing new is promised on it.</exception>
    public async Task<TimeSpan> RunAsync(Database database, CancellationToken cancellation)
    {
        var count = await sampler.CountAsync(await ceilings.InForceAsync(database, cancellation), () => GrantedAsync(database.Name, cancellation), cancellation);
        await ledger.SampleAsync(
            database.Name, count.Capacity, count.Limit, count.Reserved, count.Ceiling, count.Foreign, database.Budget.StaleAfter, cancellation);
        return database.Budget.SampleEvery;
    }

    private async Task<IReadOnlyDictionary<string, int>> GrantedAsync(string database, CancellationToken cancellation)
    {
        var granted = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var lease in await ledger.LeasesAsync(database, int.MaxValue, cancellation))
        {
            if (lease.Username.Length > 0 && lease.State is LeaseState.Active or LeaseState.Retiring)
                granted[lease.Username] = granted.GetValueOrDefault(lease.Username) + lease.Connections;
        }

        return granted;
    }
}
