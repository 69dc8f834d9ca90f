using Broker.Core.Databases;
using Broker.Core.Issuing;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Duties;

/// <summary>
/// The duty <c>revoke:LEASE</c>: drops the user of a lease that is over. The lease is <see cref="LeaseState.Revoked"/> when its user
/// and its sessions are gone. What the database refuses is tried a few times, then shown as <see cref="LeaseState.RevokeFailed"/> with the database's
/// own words, and then tried less often, without end.
/// </summary>
internal sealed class RevokeDuty(DutyTools tools, DatabaseEngines engines, BrokerMetrics metrics, ILogger<RevokeDuty> log)
    : LeaseDuty(tools)
{
    private const int Tries = 6;

    /// <summary>The separator in a lease's reason: before it comes why the lease is over, after it what is still to be done.</summary>
    private const string Still = " - still to be done: ";
    private const string OnItsWay = $"{Still}its user is dropped, and later dropped again: the statement that creates it may still be on its way";
    private const string PasswordOnItsWay = $"{Still}its user has no turn yet: the statement that changes its password may still be on its way";
    private static readonly TimeSpan LongestWay = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan BetweenTries = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan AfterFailing = TimeSpan.FromMinutes(30);
    private static readonly TimeSpan SessionsAgain = TimeSpan.FromSeconds(15);

    public override string Kind => DutyKinds.Revoke;

    public override TimeSpan RetryAfter(int failures) => failures < Tries ? Retry.Doubling(failures, BetweenTries) : AfterFailing;

    protected override async Task<TimeSpan?> LookAsync(LeaseCall call, CancellationToken cancellation)
    {
        var lease = call.Lease;
        if (lease.State is not (LeaseState.Revoking or LeaseState.Expired or LeaseState.RevokeFailed)) return null;
        if (lease.State != LeaseState.Revoking) await Ledger.Leases.MoveAsync(lease.Database, lease.Id, LeaseState.Revoking, lease.Reason, cancellation);
        try
        {
            if (await InFlightAsync(call, token => DropAsync(call, token), cancellation) is not { } dropped) return Jitter.Spread(Soon);
            if (dropped.Sessions > 0)
            {
                var waiting = $"{WhyOver(lease)}{Still}its user is dropped, and {dropped.Sessions} sessions of the user continue until their pods close them; an order to revoke ends them";
                if (waiting != lease.Reason) await Ledger.Leases.MoveAsync(lease.Database, lease.Id, LeaseState.Revoking, waiting, cancellation);
                return Jitter.Spread(SessionsAgain);
            }

            // The answer to the statement that creates its user, or changes its password, was lost: a server that hung may still execute it after this (laws L4, L5).
            var onItsWay = call.Role.Static is null ? OnItsWay : PasswordOnItsWay;
            if (lease is { IssuerId.Length: 0, Username.Length: > 0 } && !lease.Reason.EndsWith(onItsWay, StringComparison.Ordinal))
            {
                await Ledger.Leases.MoveAsync(lease.Database, lease.Id, LeaseState.Revoking, WhyOver(lease) + onItsWay, cancellation);
                return LongestWay;
            }

            var why = dropped.Sessions is null ? $"{WhyOver(lease)} (the database does not report whether sessions of its user continue)" : WhyOver(lease);
            await Ledger.Leases.MoveAsync(lease.Database, lease.Id, LeaseState.Revoked, why, cancellation);
            metrics.Revoked(lease.Database, "revoked");
            log.Revoked(lease.Id, lease.Role, lease.Username);
            return null;
        }
        catch (DutyException e)
        {
            metrics.Revoked(lease.Database, "failed");
            log.RevokeFailed(lease.Id, lease.Role, lease.Username, e.Message);

            // A failure that a person has to look at is shown at once.
            if (call.Due.Failures + 1 >= Tries || e.InnerException?.InnerException is DatabaseException { Failure: DatabaseFailure.StillOwns })
                await Ledger.Leases.MoveAsync(lease.Database, lease.Id, LeaseState.RevokeFailed, $"{WhyOver(lease)}{Still}{e.Message} {Advice(lease)}", cancellation);
            throw;
        }
    }

    // Each step is tried regardless of the one before: a remaining session is no reason to leave the login, nor the reverse.
    private async Task<Dropped> DropAsync(LeaseCall call, CancellationToken cancellation)
    {
        var lease = call.Lease;
        var engine = engines[call.Database.Engine];
        var ends = lease.Username.Length > 0 && (lease.Shut || call.Role.EndSessions) && !await IsAnothersAsync(call, cancellation);
        string? notShutOut = null;
        if (ends)
        {
            try
            {
                // Before the user is dropped: afterwards fewer administrators may end its sessions.
                await engine.ShutOutAsync(call.Database, lease.Username, cancellation);
            }
            catch (DatabaseException e)
            {
                log.SessionsNotEnded(lease.Id, lease.Role, lease.Username, e.Message);
                notShutOut = e.Message;
            }
        }

        try
        {
            await call.Issuer.RevokeAsync(call.IssuerLease, cancellation);
        }
        catch (IssuerException e)
        {
            throw new DutyException(notShutOut is null || e.Message.Contains(notShutOut, StringComparison.Ordinal) ? e.Message : $"{e.Message} Before that: {notShutOut}", e);
        }

        if (lease.Username.Length > 0 && call.Role.Static is null && await IsThereAsync(engine, call, cancellation))
            throw new DutyException(notShutOut is null ? LeftBehind(call) : $"{LeftBehind(call)} Before that: {notShutOut}");

        // The users of a static role stay, and so do their sessions, unless an operator ordered to end them.
        if (lease.Username.Length == 0 || (call.Role.Static is not null && !ends)) return new(0);
        int? open;
        try
        {
            open = await engine.CountSessionsAsync(call.Database, lease.Username, cancellation);
        }
        catch (DatabaseException e)
        {
            throw new DutyException($"User '{lease.Username}' is dropped; whether its sessions have ended could not be determined: {e.Message}", e);
        }

        return ends && open > 0
            ? throw new DutyException($"User '{lease.Username}' is dropped, but {open} of its sessions are still active. {notShutOut ?? "They were told to end and have not ended yet."}")
            : new(open);
    }

    // The issuer reports success whatever its statements do: Vault runs a role's revocation_statements and checks nothing.
    private static async Task<bool> IsThereAsync(IDatabaseEngine engine, LeaseCall call, CancellationToken cancellation)
    {
        try
        {
            return (await engine.FindUsersAsync(call.Database, call.Lease.Username, cancellation)).Any(user => user.Username == call.Lease.Username);
        }
        catch (DatabaseException e) when (e.Failure == DatabaseFailure.StatementRefused)
        {
            return false; // the administrator may not read users, so the issuer's report has to be trusted
        }
        catch (DatabaseException e)
        {
            throw new DutyException($"Whether user '{call.Lease.Username}' is gone could not be determined: {e.Message}", e);
        }
    }

    private static string LeftBehind(LeaseCall call) => call.Role.VaultPath is { } path
        ? $"Vault says that the lease is revoked, but its user '{call.Lease.Username}' is still in the database: have the revocation_statements of the role at {path} drop it (DROP ROLE, DROP USER)."
        : $"User '{call.Lease.Username}' was to be dropped, but is still in the database.";

    // A static role's user comes back in another lease, which the end of this one does not affect.
    private async Task<bool> IsAnothersAsync(LeaseCall call, CancellationToken cancellation) => call.Role.Static is not null
        && (await Ledger.Leases.AllAsync(call.Lease.Database, cancellation)).Any(other =>
            other.Id != call.Lease.Id && other.Role == call.Lease.Role && other.Username == call.Lease.Username && other.State is LeaseState.Issuing or LeaseState.Active);

    private static string WhyOver(LeaseRecord lease) =>
        lease.Reason.IndexOf(Still, StringComparison.Ordinal) is var at and >= 0 ? lease.Reason[..at] : lease.Reason;

    private static string Advice(LeaseRecord lease) =>
        $"The broker keeps trying. Fix what the database names (hand over what user '{lease.Username}' owns, revoke its rights, end its sessions), or drop the user by hand.";

    /// <param name="Sessions">How many of its sessions are open; null when the database does not report them.</param>
    private sealed record Dropped(int? Sessions);
}
