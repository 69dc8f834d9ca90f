using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Ledger;
using Broker.Core.Words;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Budgets;

/// <summary>Counts a database's real connections and writes what may be promised: the duty <c>sample</c>.</summary>
public sealed class BudgetSampler(SharedLedger ledger, DatabaseEngines engines, ILogger<BudgetSampler> log)
{
    private const int MostLeases = 100_000;

    /// <summary>Counts once.</summary>
    /// <exception cref="DatabaseException">The database did not answer: the last count grows stale, and nothing new is promised on it.</exception>
    public async Task<BudgetCount> SampleAsync(Database database, CancellationToken cancellation)
    {
        // The database first, the ledger after: what was granted in between makes the count too careful, never too bold.
        var sample = await engines[database.Engine].SampleAsync(database, cancellation);
        var granted = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var lease in await ledger.LeasesAsync(database.Name, MostLeases, cancellation))
        {
            if (lease.Username.Length > 0 && lease.State is LeaseState.Active or LeaseState.Retiring)
                granted[lease.Username] = granted.GetValueOrDefault(lease.Username) + lease.Connections;
        }

        var count = BudgetCount.Of(sample, database.Budget, granted);
        await ledger.SampleAsync(
            database.Name, count.Capacity, count.Limit, count.Reserved, count.Ceiling, count.Foreign, database.Budget.StaleAfter, cancellation);
        log.Sampled(database.Name, count.Limit, count.Foreign, count.Capacity);
        return count;
    }
}
