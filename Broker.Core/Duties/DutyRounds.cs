using System.Collections.Concurrent;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Issuing;
using Broker.Core.Leases;
using Broker.Core.Leases.Claims;
using Broker.Core.Leases.Recovering;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Duties;

/// <summary>
/// Every replica polls the databases and takes the duties that are due. One replica at a time does a duty; if that replica
/// dies, the duty passes to another when its time is up. There is no leader, and a slow duty does not delay others.
/// </summary>
internal sealed class DutyRounds(
    SharedLedger ledger, ICatalog catalog, IEnumerable<IDuty> duties, Recovery recovery, RememberedGrants remembered, ShareLedger shares, SessionLedger sessions, BrokerMetrics metrics, Jitter jitter, TimeProvider time, ILogger<DutyRounds> log)
    : BackgroundService
{
    private static readonly TimeSpan Round = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan TakenFor = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan AfterLedgerFailure = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan AfterFault = TimeSpan.FromSeconds(30);
    private const int MostAtOnce = 16;

    private readonly Dictionary<string, IDuty> kinds = duties.ToDictionary(duty => duty.Kind, StringComparer.Ordinal);
    private readonly ConcurrentDictionary<Task, string> underWay = new();
    private readonly LedgerTimes times = new(time);

    /// <inheritdoc/>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => GoOnAsync(stoppingToken);

    /// <summary>Polls until it is stopped, on the scheduler that it is started from.</summary>
    internal async Task GoOnAsync(CancellationToken stoppingToken)
    {
        var rounds = new Dictionary<string, Task>(StringComparer.Ordinal);
        var shareRound = Task.CompletedTask;
        try
        {
            while (true)
            {
                foreach (var name in catalog.Current.Databases.Keys.Append(SharedLedger.Issuers))
                {
                    if (!rounds.TryGetValue(name, out var round) || round.IsCompleted) rounds[name] = GoRoundAsync(name, stoppingToken);
                }

                if (shareRound.IsCompleted) shareRound = KeepSharesAsync(stoppingToken);
                await Task.Delay(Round, time, stoppingToken);
            }
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(rounds.Values.Concat(underWay.Keys));
        }
    }

    // Takes the duties that are due on one database, or for the issuers, and starts them.
    private async Task GoRoundAsync(string name, CancellationToken cancellation)
    {
        try
        {
            var current = catalog.Current;
            var standing = Standing(current, name);
            var room = MostAtOnce - underWay.Values.Count(database => database == name);
            if (standing.Length == 0) return;
            // A replica that can take no more duties still asks: the ledger may have lost what it remembers, and it learns which holders left.
            var isDatabase = name != SharedLedger.Issuers;
            var due = await ledger.Duties.DueAsync(
                name, standing, Math.Max(0, room), TakenFor, cancellation, isDatabase ? recovery.EpochOf(name) : null, isDatabase ? remembered.HeardTo(name) : 0,
                times.Of(name));
            times.Told(name, due.Now);
            if (isDatabase) await recovery.SawAsync(name, due, cancellation);
            foreach (var duty in due.Taken)
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
            await Task.Delay(AfterLedgerFailure, time, cancellation)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // Shutting down.
        }
        catch (Exception e)
        {
            log.RoundBroke(name, AfterFault, e);
            await Task.Delay(AfterFault, time, cancellation)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        }
    }

    // The shares of callers and teams, and what was exchanged for sessions, are restored like the rest.
    private async Task KeepSharesAsync(CancellationToken cancellation)
    {
        try
        {
            await shares.KeepAsync(cancellation);
            await sessions.KeepAsync(cancellation);
        }
        catch (LedgerException)
        {
            // The rounds of the databases report it.
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // Shutting down.
        }
    }

    private string[] Standing(CatalogSnapshot current, string name) =>
        [.. kinds.Values.SelectMany(duty => duty.Standing(current, name).Select(subject => subject.Length == 0 ? duty.Kind : $"{duty.Kind}:{subject}"))];

    private async Task DoAsync(CatalogSnapshot current, string name, TakenDuty taken, CancellationToken cancellation)
    {
        var at = taken.Name.IndexOf(':', StringComparison.Ordinal);
        var (kind, subject) = at < 0 ? (taken.Name, "") : (taken.Name[..at], taken.Name[(at + 1)..]);
        TimeSpan? next;
        string? failure = null;
        try
        {
            // A kind that this version does not know belongs to another version, which will take it.
            next = kinds.TryGetValue(kind, out var duty)
                ? await duty.DoAsync(new(current, name, subject, taken.Failures), cancellation)
                : AfterFault;
            metrics.DutyDone(kind, "done");
        }
        catch (Exception e) when (e is DutyException or DatabaseException or LedgerException or IssuerException)
        {
            failure = e.Message;
            var pause = jitter.Spread(kinds[kind].RetryAfter(taken.Failures + 1));
            next = pause;
            log.DutyFailed(taken.Name, name, taken.Failures + 1, pause, e.Message);
            metrics.DutyDone(kind, "failed");
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // Shutting down: another replica takes it over.
            next = TimeSpan.Zero;
        }
        catch (Exception e)
        {
            failure = "A fault in the broker; its log says more.";
            next = AfterFault;
            log.DutyBroke(taken.Name, name, e);
            metrics.DutyDone(kind, "broke");
        }

        try
        {
            await ledger.Duties.DoneAsync(name, taken, next, failure, CancellationToken.None);
        }
        catch (LedgerException e)
        {
            // It becomes due again when the time for which it was taken is over.
            log.NoDuties(name, e.Message);
        }
    }
}
