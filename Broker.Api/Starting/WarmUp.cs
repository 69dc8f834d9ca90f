using Broker.Api.Authentication;
using Broker.Api.Health;
using Broker.Api.Starting.Rehearsing;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Leases;
using Broker.Core.Leases.Claims;
using Broker.Core.Leases.Issues;
using Broker.Core.Leases.Logins;
using Broker.Core.Leases.Recovering;
using Broker.Core.Ledger;
using Broker.Core.Ledger.OnDisk;
using Broker.Core.Model;

namespace Broker.Api.Starting;

/// <summary>
/// Runs this replica's own path before it reports ready, so that a rollout's first burst meets a warm replica: the keys of
/// the identity issuers, the desk and the ledger's scripts, the logins that are in use, and what <see cref="Rehearsal"/> runs; and does once
/// what claims need from other servers (<see cref="ServerTries"/>).
/// </summary>
internal sealed class WarmUp(
    Readiness readiness, IAudit audit, CallerProver prover, Rehearsal rehearsal, ServerTries servers, ICatalog catalog, SharedLedger ledger, CredentialDesk desk, LeaseLogins logins, Fitness fitness, Issuance issuance, ShutdownSignal shutdown, TimeProvider time, ILogger<WarmUp> log)
    : BackgroundService, IHostedLifecycleService
{
    // Measured: a fresh process answers its first hundred claims in about 100 ms; after eighty warm-up claims, in 15 ms.
    private const int Claims = 100;
    private const string Nowhere = "~warm-up";
    private const int MostLeases = 100;
    private static readonly TimeSpan LoginsWithin = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Again = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Often = TimeSpan.FromSeconds(2);
    private string? told, noted;

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await prover.WarmAsync(stoppingToken);
        await rehearsal.PlayAsync(stoppingToken);
        var (warm, served) = (false, false);
        while (!shutdown.Token.IsCancellationRequested)
        {
            try
            {
                if (!warm) await audit.TryAsync(stoppingToken);
                if (await fitness.WhyNotAsync(stoppingToken) is { } whyNot)
                {
                    if (told != whyNot) log.NotFit(told = whyNot);
                    readiness.NotReady(whyNot);
                }
                else
                {
                    if (fitness.Note is { } note && note != noted) log.LedgerNoted(noted = note);
                    if (!warm)
                    {
                        await ClaimAsync(stoppingToken);
                        await IssueAsync(stoppingToken);
                        await OpenLoginsAsync(stoppingToken);
                        warm = true;
                    }

                    var (canServe, missing) = await servers.TryAsync(stoppingToken);
                    served |= canServe;
                    if (shutdown.Token.IsCancellationRequested) continue;

                    // A replica that could serve somebody once stays ready: later failures are better answered with a clear refusal.
                    if (served) readiness.Ready(missing);
                    else readiness.NotReady($"no role can be served: {missing}");
                }
            }
            catch (AuditUnavailableException e)
            {
                // Every claim would be refused, so report it before the first one is.
                Wait(e.Message);
                readiness.NotReady($"the audit cannot be written: {(e.InnerException ?? e).Message}");
            }
            catch (LedgerException e)
            {
                // A replica that has never reached the ledger does not become ready, so that a rollout of a wrong configuration stops here. Once it has reached it,
                // a clear refusal serves callers better.
                Wait(e.Message);
                if (!warm) readiness.NotReady(e is LedgerFileException or ForbiddenDecisionException or SealingKeysException ? e.Message : "the ledger does not answer");
            }

            await Task.Delay(readiness.Missing is null ? Often : Again, time, stoppingToken);
        }
    }

    // Tried twice a second, logged once.
    private void Wait(string why)
    {
        if (why != told) log.WarmUpWaits(told = why);
    }

    // On a database that does not exist and was never counted: the ledger promises nothing and writes nothing.
    private async Task ClaimAsync(CancellationToken cancellation)
    {
        var current = catalog.Current;
        var role = current.Roles.Values.First();
        var claim = new Claim("warm-up.0", ClaimMaker.TermsOf(role), "warm-up", 1, 1, TimeSpan.Zero, TimeSpan.Zero, ClaimKind.Claim, "");
        await ledger.Claims.ClaimAsync(Nowhere, new PaceSettings(), 0, [claim], cancellation); // the desk would return a refusal where this throws
        var way = new ClaimTarget(role, current.Databases[role.Database] with { Name = Nowhere }, current.Issuers[role.Issuer], Caller: null);
        await Parallel.ForAsync(0, Claims, cancellation, async (_, cancel) => await desk.ReserveAndJoinAsync(way, claim, time.GetTimestamp(), cancel));
    }

    // The first issue would find that a new Redis does not know its scripts yet, one after another, and read the broker's mark. On a lease that
    // does not exist they write nothing.
    private async Task IssueAsync(CancellationToken cancellation)
    {
        const string lease = "warm-up";
        await ledger.Marks.OfNewUsersAsync(cancellation);
        await ledger.Issues.BeginAsync(Nowhere, lease, 0, null, new PaceSettings(), cancellation);
        await ledger.Issues.IssuedAsync(Nowhere, lease, 0, "", "", "", TimeSpan.Zero, time.GetUtcNow(), false, cancellation);
        await ledger.Issues.ActivateAsync(Nowhere, lease, 0, TimeSpan.Zero, 0, null, cancellation);
        await ledger.Leases.LeaseAsync(Nowhere, lease, cancellation);
    }

    // The work that the first pod of each lease would otherwise wait for: reading the lease, unsealing its login, the driver's connection strings.
    private async Task OpenLoginsAsync(CancellationToken cancellation)
    {
        using var deadline = new CancellationTokenSource(LoginsWithin, time);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellation, deadline.Token);
        var current = catalog.Current;
        try
        {
            foreach (var database in current.Databases.Values)
            {
                foreach (var lease in await ledger.Leases.LeasesAsync(database.Name, MostLeases, over.Token))
                {
                    if (lease.State != LeaseState.Active || !current.Roles.TryGetValue(lease.Role, out var role)) continue;
                    (await logins.OfAsync(database, role, lease.Id, over.Token))?.For(role.Connections.Default);
                }
            }
        }
        catch (Exception e) when (e is LedgerException || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            // Logins that are not opened now are opened at their first claim: no reason not to serve.
            log.RehearsalEnded(e.Message);
        }
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Shuts down: no new requests come, waiting callers are answered, and leases being issued are finished first.</summary>
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        readiness.NotReady("shutting down");
        shutdown.Begin();
        await issuance.DrainAsync().WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
