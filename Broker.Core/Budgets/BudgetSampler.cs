using Broker.Core.Catalog;
using Broker.Core.Databases;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Budgets;

/// <summary>Counts a database's real connections.</summary>
public sealed class BudgetSampler(DatabaseEngines engines, ILogger<BudgetSampler> log)
{
    /// <summary>Counts once.</summary>
    /// <param name="database">The database.</param>
    /// <param name="granted">
    /// What the holders of live leases were granted, by database user. Asked for after the database: what is granted in
    /// between makes the count too careful, never too bold.
    /// </param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="DatabaseException">The database did not answer.</exception>
    public async Task<(BudgetCount Count, ConnectionSample Sample)> CountAsync(
        Database database, Func<Task<IReadOnlyDictionary<string, int>>> granted, CancellationToken cancellation)
    {
        var counted = database.ReplicaConnectionString is { } replica ? database with { AdminConnectionString = replica } : database;
        var sample = await engines[database.Engine].SampleAsync(counted, cancellation);
        var count = BudgetCount.Of(sample, database.Budget, await granted());
        log.Counted(database.Name, count.Limit, count.Foreign, count.Capacity);
        return (count, sample);
    }
}
