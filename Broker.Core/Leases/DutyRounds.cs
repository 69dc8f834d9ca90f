using System.Collections.Concurrent;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Issuing;
using Broker.Core.Ledger;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Leases;

/// <summary>
/// Every replica goes round the databases and takes what is due. A duty is done by one replica at a time; one whose replica
/// dies passes on when its time is up. There is no leader, and a slow duty holds up no other.
/// </summary>
internal sealed class DutyRounds(
    SharedLedger ledger, ICatalog catalog, Issuers issuers, LeaseUpkeep upkeep, SampleDuty sample, BrokerMetrics metrics, TimeProvider time, ILogger<DutyRounds> log)
    : BackgroundService
{
    private static readonly TimeSpan Round = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan TakenFor = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan AfterFailure = TimeSpan.FromSeconds(2);
    private const int MostAtOnce = 16;
    private const string Sample = "sample";
    private const string TokenDuty = "token:";

    private readonly ConcurrentDictionary<Task, string> underWay = new();

    /// <inheritdoc/>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => GoOnAsync(stoppingToken);

    /// <summary>Goes round until it is stopped, on whatever scheduler it is started from.</summary>
    internal async Task GoOnAsync(CancellationToken stoppingToken)
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
            await Task.WhenAll(rounds.Values.Concat(underWay.Keys));
        }
    }

    // Takes what is due on one database, or for the issuers, and sets it going.
    private async Task GoRoundAsync(string name, CancellationToken cancellation)
    {
        try
        {
            var current = catalog.Current;
            var standing = name == SharedLedger.Issuers
                ? current.Issuers.Values.OfType<VaultIssuerDefinition>().Select(issuer => TokenDuty + issuer.Name).ToArray()
                : [Sample];
            var room = MostAtOnce - underWay.Values.Count(database => database == name);
            if (standing.Length == 0 || room <= 0) return;
            foreach (var duty in await ledger.DueAsync(name, standing, room, TakenFor, cancellation))
            {
                var task = DoAsync(current, name, duty, cancellation);
                underWay[task] = name;
                _ = task.ContinueWith(
                    done => underWay.TryRemove(done, out _), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            }
        }
        catch (LedgerException e)
        {
            log.NoDuties(name, e.Message);
            await Task.Delay(AfterFailure, time, cancellation)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // Shutting down.
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
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // Shutting down: another replica does it now.
            next = TimeSpan.Zero;
        }
        catch (Exception e)
        {
            log.DutyBroke(duty.Name, name, e);
            metrics.DutyDone(kind, "broke");
            next = TimeSpan.FromSeconds(30);
        }

        try
        {
            await ledger.DoneAsync(name, duty, next, CancellationToken.None);
        }
        catch (LedgerException e)
        {
            // It stands again when it has been taken for long enough.
            log.NoDuties(name, e.Message);
        }
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
        if (duty != Sample) return await upkeep.LookAsync(database, duty["lease:".Length..], cancellation);
        return await sample.RunAsync(database, cancellation);
    }
}
