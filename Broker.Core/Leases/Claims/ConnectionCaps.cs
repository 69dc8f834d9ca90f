using System.Collections.Concurrent;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Leases.Logins;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Leases.Claims;

/// <summary>
/// Caps that the database itself enforces (<see cref="BudgetSettings.Enforce"/>): each lease's user may open what its holders were
/// granted, and no more, so that a pod that ignores its allotment harms only its own role. Excess connections do not use up other holders' room: a
/// cap leaves every holder what it was granted on top of them. A cap is raised before a grant leaves,
/// with headroom, so that the pods of a rollout share a few raises, and lowered to what is granted when nothing has changed for a
/// while. Over all replicas, only one at a time changes a lease's cap.
/// </summary>
internal sealed class ConnectionCaps(SharedLedger ledger, LeaseLogins logins, DatabaseEngines engines, BrokerMetrics metrics, TimeProvider time, ILogger<ConnectionCaps> log)
{
    /// <summary>The headroom in percent of what is granted, as far as the database has connections that are promised to nobody.</summary>
    private const int HeadRoom = 25;

    /// <summary>A cap that was raised this recently is not lowered, because it may be needed soon.</summary>
    private static readonly TimeSpan Still = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan ChangeWithin = TimeSpan.FromSeconds(8);
    // Longer, so that no other replica changes a cap while this one may still be telling the database.
    private static readonly TimeSpan TakenFor = TimeSpan.FromSeconds(12);
    private static readonly TimeSpan AskAgainAfter = TimeSpan.FromMilliseconds(20);

    private readonly ConcurrentDictionary<string, Lazy<Task<bool>>> raises = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, bool> over = new(StringComparer.Ordinal);

    /// <summary>Whether the database would refuse connections that this grant promises.</summary>
    public bool MustRaise(Database database, ClaimAnswer.Granted granted) => granted.CapLeaves switch
    {
        null => Enforces(database),
        < 0 => true, // even when enforcing was switched off a moment ago and the cap is still there
        _ => false,
    };

    /// <summary>Raises the cap of a lease's user to all that its holders have. Null when that is done.</summary>
    /// <param name="database">The database.</param>
    /// <param name="lease">The lease, with its sealed user.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="LeaseOverException">The lease has ended in the meantime: its user's cap is no longer changed.</exception>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async ValueTask<Refusal?> RaiseAsync(Database database, LeaseRecord lease, CancellationToken cancellation)
    {
        try
        {
            // A change under way may have read the holders before this grant was made; the next one, which all waiting claims share, has not.
            if (raises.TryGetValue(lease.Id, out var early)) await ((Task)early.Value.WaitAsync(cancellation)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
            cancellation.ThrowIfCancellationRequested();
            return await raises.GetOrAdd(lease.Id, _ => new(() => RunAsync(database, lease))).Value.WaitAsync(cancellation)
                ? (Refusal?)null
                : throw new LeaseOverException(lease.Id);
        }
        catch (DatabaseException e)
        {
            log.NotCapped(database.Name, lease.Id, e.Message);
            return Refusals.DatabaseUnavailable(
                $"Database '{database.Name}' is to cap the connections of the lease's user (Budget:Enforce), but the cap could not be changed, so nothing more is promised on it: {e.Message}");
        }
    }

    /// <summary>
    /// Lowers the caps that have been too high for a while, caps users that have none yet, and takes the caps away where they are
    /// no longer wanted. A failed change is tried again at the next count.
    /// </summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    /// <param name="database">The database.</param>
    /// <param name="leases">Its leases that take or have holders, as of the count of its connections.</param>
    /// <param name="beyond">What their users have open beyond that, by lease.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async Task FollowAsync(Database database, IReadOnlyList<LeaseRecord> leases, IReadOnlyDictionary<string, int> beyond, CancellationToken cancellation)
    {
        foreach (var known in leases.Where(lease => MayBeCapped(lease) || Enforces(database)))
        {
            if (await BelievedAsync(database, known, cancellation) is not { } lease) continue;
            var needs = lease.Connections + beyond.GetValueOrDefault(lease.Id);
            var still = lease.CappedAt is not { } at || lease.ReadAt - at >= Still;
            try
            {
                if (Enforces(database) && (lease.Cap is null || lease.Cap < needs)) await RaiseAsync(database, lease, cancellation);
                else if (MayBeCapped(lease) && (!Enforces(database) || lease.CappedAt is null || lease.Cap > needs && still)) await LowerAsync(database, lease, cancellation);
            }
            catch (DatabaseException e)
            {
                log.NotCapped(database.Name, lease.Id, e.Message);
            }
            catch (LeaseOverException)
            {
                // Nobody can open another connection as this user any more.
            }
        }
    }

    /// <summary>Logs once when a role's users begin to have more connections open than were granted, and once when that ends.</summary>
    public void Watch(Database database, IReadOnlyList<RoleOpen> byRole)
    {
        if (database.Budget.Enforce && !Enforces(database) && over.TryAdd($"{database.Name}/", true)) log.CannotCap(database.Name, database.Engine);
        foreach (var (role, connections, _) in byRole)
        {
            var key = $"{database.Name}/{role}";
            if (connections > 0 && over.TryAdd(key, true)) log.OverAllotment(database.Name, role, connections);
            if (connections == 0 && over.TryRemove(key, out _)) log.WithinAllotment(database.Name, role);
        }
    }

    private static bool MayBeCapped(LeaseRecord lease) => lease.Cap is not null || lease.IsCapUnknown;

    private bool Enforces(Database database) => database.Budget.Enforce && engines[database.Engine].Dialect.CapsUsers;

    // The lease with its sealed user: somebody who writes into the ledger must not have another user's connections capped, or its cap
    // taken away (law L14). Null: that cannot be determined.
    private async ValueTask<LeaseRecord?> BelievedAsync(Database database, LeaseRecord lease, CancellationToken cancellation)
    {
        try
        {
            return await logins.SealedAsync(database, lease.Role, lease.Id, cancellation) is { } known
                ? lease with { Username = known.Username }
                : null;
        }
        catch (UnreadableLoginException e)
        {
            log.NotCapped(database.Name, lease.Id, e.Message);
            return null;
        }
    }

    // False: the lease is over.
    private async Task<bool> RunAsync(Database database, LeaseRecord lease)
    {
        try
        {
            using var deadline = new CancellationTokenSource(ChangeWithin, time);
            return await ChangeAsync(
                database,
                lease,
                async (turn, _) =>
                {
                    if (turn.Connections + turn.Beyond <= turn.Cap) return null;
                    var cap = turn.Connections + Math.Max(turn.Beyond, Math.Min(turn.Connections * HeadRoom / 100, turn.Free));
                    await engines[database.Engine].CapUserAsync(database, lease.Username, cap, deadline.Token);
                    metrics.Capped(database.Name, "raised");
                    return cap;
                },
                deadline.Token);
        }
        catch (OperationCanceledException)
        {
            throw TooLate();
        }
        finally
        {
            raises.TryRemove(lease.Id, out _);
        }
    }

    private async Task LowerAsync(Database database, LeaseRecord lease, CancellationToken cancellation)
    {
        // The change must not reach the database when somebody else may be changing the cap.
        using var late = new CancellationTokenSource(ChangeWithin, time);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation, late.Token);
        try
        {
            await ChangeAsync(database, lease, LowerAsync, deadline.Token);
        }
        catch (OperationCanceledException) when (late.IsCancellationRequested && !cancellation.IsCancellationRequested)
        {
            throw TooLate();
        }

        async Task<int?> LowerAsync(CapTurn.Taken turn, string token)
        {
            if (!Enforces(database)) return await LiftAsync(database, lease, deadline.Token);

            // A holder at the time of the count, or one that has moved off since, may have connections open that do not count as beyond yet.
            var cap = Math.Max(turn.Connections, lease.Connections) + turn.Beyond;
            if (turn.Lingers || turn.Cap <= cap && turn.IsTold) return null;

            // The ledger first: a claim made while the database is being told has the cap raised again after this. When the database's
            // answer is lost, the ledger's number stays: the database may have done it, and is told once more at the next count.
            if (await ledger.Caps.LowerCapAsync(database.Name, lease.Id, token, cap, deadline.Token) is not { } lowered) return null;
            await engines[database.Engine].CapUserAsync(database, lease.Username, lowered, deadline.Token);
            metrics.Capped(database.Name, "lowered");
            return lowered;
        }
    }

    // The limit that the user was made with was read before the first cap, and no holder was granted more.
    private async Task<int?> LiftAsync(Database database, LeaseRecord lease, CancellationToken cancellation)
    {
        await engines[database.Engine].CapUserAsync(database, lease.Username, lease.UserLimit, cancellation);
        return -1;
    }

    // Thrown when the turn is over: a change that was sent and cut off by its deadline keeps the turn, like one whose answer was lost.
    private static DatabaseException TooLate() => new(DatabaseFailure.Unavailable, $"it did not happen within {ChangeWithin.TotalSeconds:0} s");

    // Takes the turn, makes the change, and gives the turn back with what the database was told. A change that was sent and not answered may
    // still reach the database after a later one: nobody makes one before the turn has run out. False: the lease is over.
    private async Task<bool> ChangeAsync(
        Database database, LeaseRecord lease, Func<CapTurn.Taken, string, Task<int?>> change, CancellationToken cancellation)
    {
        var token = Guid.NewGuid().ToString("N");
        while (true)
        {
            // A turn that is taken when it is too late to use it is nobody's until it runs out.
            cancellation.ThrowIfCancellationRequested();
            switch (await ledger.Caps.TakeCapAsync(database.Name, lease.Id, token, TakenFor, cancellation))
            {
                case CapTurn.Gone:
                    return false;
                case CapTurn.Taken turn:
                    int? told = null;
                    try
                    {
                        // The ledger's holders are being restored: until they are known, the database must refuse nobody.
                        told = turn.Quiet ? await LiftAsync(database, lease, cancellation) : await change(turn, token);
                    }
                    catch (DatabaseException e) when (e.Failure != DatabaseFailure.AnswerLost)
                    {
                        await ledger.Caps.CappedAsync(database.Name, lease.Id, token, null, CancellationToken.None);
                        throw;
                    }

                    // Nobody knows what the database was told last: it is told anew, by the next grant or count where there is no time left here.
                    if (await ledger.Caps.CappedAsync(database.Name, lease.Id, token, told, CancellationToken.None) is not { } inTime) return false;
                    if (inTime) return true;
                    break;
                default:
                    await Task.Delay(AskAgainAfter, time, cancellation);
                    break;
            }
        }
    }
}
