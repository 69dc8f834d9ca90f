using Broker.Core.Budgets;
using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Words;

namespace Broker.Core.Leases.Duties;

/// <summary>
/// The duty <c>sample</c>: counts a database's connections and writes what may be promised. When the database does not answer,
/// the last count grows stale, and nothing new is promised on it.
/// </summary>
internal sealed class SampleDuty(SharedLedger ledger, BudgetSampler sampler, CeilingDesk ceilings) : IDuty
{
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(5);

    public string Kind => "sample";

    public IEnumerable<string> Standing(CatalogSnapshot catalog, string database) => database == SharedLedger.Issuers ? [] : [""];

    public TimeSpan RetryAfter(int failures) => Retry.Doubling(failures, LongestRetry);

    public async Task<TimeSpan?> DoAsync(DutyCall call, CancellationToken cancellation)
    {
        var database = call.Catalog.Databases[call.Database];
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
