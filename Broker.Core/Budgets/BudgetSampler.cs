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
    /// What the holders of live leases were granted, by database user, here and on the server's other databases. Read after the database was counted: what is granted in
    /// between makes the count too cautious, never too generous.
    /// </param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="DatabaseException">The database did not answer.</exception>
    public async Task<(BudgetCount Count, ConnectionSample Sample)> CountAsync(
        Database database, Func<Task<(IReadOnlyDictionary<string, int> Here, OthersOnServer Others)>> granted, CancellationToken cancellation)
    {
        var sample = await LookAsync(database, cancellation);
        var (here, others) = await granted();
        var count = sample.Pool is null ? BudgetCount.Of(sample, database.Budget, here, others) : BudgetCount.OfPooled(sample, database, here, others);
        log.Counted(database.Name, count.Limit, count.Foreign, count.Capacity);
        return (count, sample);
    }

    /// <summary>Counts on the server that pods connect to.</summary>
    /// <exception cref="DatabaseException">The database did not answer.</exception>
    public Task<ConnectionSample> LookAsync(Database database, CancellationToken cancellation) =>
        engines[database.Engine].SampleAsync(
            database.ReplicaConnectionString is { } replica ? database with { AdminConnectionString = replica } : database, cancellation);
}
