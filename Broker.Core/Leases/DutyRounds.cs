using Broker.Core.Budgets;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Issuing;
using Broker.Core.Ledger;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Leases;

/// <summary>
/// Every replica goes round the databases and takes what is due. A duty is done by one replica at a time; one whose replica
/// dies passes on when its time is up. There is no leader.
/// </summary>
internal sealed class DutyRounds(
    SharedLedger ledger, ICatalog catalog, Issuers issuers, LeaseUpkeep upkeep, BudgetSampler sampler, BrokerMetrics metrics, TimeProvider time, ILogger<DutyRounds> log)
    : BackgroundService
{
    private static readonly TimeSpan Round = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan TakenFor = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan AfterFailure = TimeSpan.FromSeconds(2);
    private const int MostAtOnce = 16;
    private const string SampleDuty = "sample";
    private const string TokenDuty = "token:";

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var rounds = new Dictionary<string, Task>(StringComparer.Ordinal);
        try
        {
            while (true)
            {
                foreach (var name in catalog.Current.Databases.Keys.Append(SharedLedger.Issuers))
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

    /// <summary>Takes and does what is due on one database, or for the issuers.</summary>
    internal async Task GoRoundAsync(string name, CancellationToken cancellation)
    {
        try
        {
            var current = catalog.Current;
            var standing = name == SharedLedger.Issuers
                ? current.Issuers.Values.OfType<VaultIssuerDefinition>().Select(issuer => TokenDuty + issuer.Name).ToArray()
                : [SampleDuty];
            if (standing.Length == 0) return;
            var taken = await ledger.DueAsync(name, standing, MostAtOnce, TakenFor, cancellation);
            await Task.WhenAll(taken.Select(duty => DoAsync(current, name, duty, cancellation)));
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

    private async Task DoAsync(CatalogSnapshot current, string name, TakenDuty duty, CancellationToken cancellation)
    {
        var kind = duty.Name.Split(':')[0];
        TimeSpan? next;
        try
        {
            next = await DoAsync(current, name, duty.Name, cancellation);
            metrics.DutyDone(kind, "done");
        }
        catch (Exception e) when (e is DatabaseException or LedgerException or IssuerException)
        {
            log.DutyFailed(duty.Name, name, AfterFailure, e.Message);
            metrics.DutyDone(kind, "failed");
            next = AfterFailure;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            log.DutyBroke(duty.Name, name, e);
            metrics.DutyDone(kind, "broke");
            next = TimeSpan.FromSeconds(30);
        }

        await ledger.DoneAsync(name, duty, next, cancellation);
    }

    private async Task<TimeSpan?> DoAsync(CatalogSnapshot current, string name, string duty, CancellationToken cancellation)
    {
        if (name == SharedLedger.Issuers)
        {
            // An issuer that is configured no more needs its token no more.
            if (!current.Issuers.TryGetValue(duty[TokenDuty.Length..], out var definition)) return null;
            return await issuers[definition].KeepAliveAsync(cancellation) ?? TimeSpan.FromMinutes(1);
        }

        if (!current.Databases.TryGetValue(name, out var database)) return null;
        if (duty != SampleDuty) return await upkeep.LookAsync(database, duty["lease:".Length..], cancellation);
        await sampler.SampleAsync(database, cancellation);
        return database.Budget.SampleEvery;
    }
}
