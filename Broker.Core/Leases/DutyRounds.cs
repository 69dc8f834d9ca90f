using Broker.Core.Budgets;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Ledger;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Leases;

/// <summary>
/// Every replica goes round the databases and takes what is due. A duty is done by one replica at a time; one whose replica
/// dies passes on when its time is up. There is no leader.
/// </summary>
internal sealed class DutyRounds(
    SharedLedger ledger, ICatalog catalog, LeaseUpkeep upkeep, BudgetSampler sampler, BrokerMetrics metrics, TimeProvider time, ILogger<DutyRounds> log)
    : BackgroundService
{
    private static readonly TimeSpan Round = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan TakenFor = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan AfterFailure = TimeSpan.FromSeconds(2);
    private const int MostAtOnce = 16;

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var rounds = new Dictionary<string, Task>(StringComparer.Ordinal);
        try
        {
            while (true)
            {
                foreach (var name in catalog.Current.Databases.Keys)
                {
                    if (!rounds.TryGetValue(name, out var round) || round.IsCompleted) rounds[name] = GoRoundAsync(name, stoppingToken);
                }

                await Task.Delay(Round, time, stoppingToken);
            }
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(rounds.Values);
        }
    }

    /// <summary>Takes and does what is due on one database.</summary>
    internal async Task GoRoundAsync(string name, CancellationToken cancellation)
    {
        try
        {
            if (!catalog.Current.Databases.TryGetValue(name, out var database)) return;
            var taken = await ledger.DueAsync(name, MostAtOnce, TakenFor, cancellation);
            await Task.WhenAll(taken.Select(duty => DoAsync(database, duty, cancellation)));
        }
        catch (LedgerException e)
        {
            log.NoDuties(name, e.Message);
            await Task.Delay(AfterFailure, time, cancellation).ContinueWith(
                static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // Shutting down: what was taken passes on to another replica.
        }
    }

    private async Task DoAsync(Database database, TakenDuty duty, CancellationToken cancellation)
    {
        var kind = duty.Name == "sample" ? "sample" : "lease";
        TimeSpan? next;
        try
        {
            if (kind == "sample")
            {
                await sampler.SampleAsync(database, cancellation);
                next = database.Budget.SampleEvery;
            }
            else
            {
                next = await upkeep.LookAsync(database, duty.Name["lease:".Length..], cancellation);
            }

            metrics.DutyDone(kind, "done");
        }
        catch (Exception e) when (e is DatabaseException or LedgerException)
        {
            log.DutyFailed(duty.Name, database.Name, AfterFailure, e.Message);
            metrics.DutyDone(kind, "failed");
            next = AfterFailure;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            log.DutyBroke(duty.Name, database.Name, e);
            metrics.DutyDone(kind, "broke");
            next = TimeSpan.FromSeconds(30);
        }

        await ledger.DoneAsync(database.Name, duty, next, cancellation);
    }
}
