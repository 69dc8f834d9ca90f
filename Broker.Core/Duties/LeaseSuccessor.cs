using Broker.Core.Catalog;
using Broker.Core.Duties;
using Broker.Core.Leases;
using Broker.Core.Leases.Claims;
using Broker.Core.Leases.Issues;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Duties;

/// <summary>Makes sure that a pool has a lease that takes holders before anybody asks: the next one before the last one ends.</summary>
internal sealed class LeaseSuccessor(SharedLedger ledger, Issuance issuance, ILogger<LeaseSuccessor> log)
{
    /// <summary>Whether the pool has such a lease; if not, one is being issued when this returns.</summary>
    /// <param name="role">The pool's role.</param>
    /// <param name="database">Its database.</param>
    /// <param name="issuer">Its issuer.</param>
    /// <param name="pool">The pool.</param>
    /// <param name="insteadOf">The lease to replace, which takes holders until the next one works; null: none.</param>
    /// <param name="why">The reason that is shown for that lease.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="DutyException">Issuing failed a moment ago; the message says why. It is not tried again before its time (law L12).</exception>
    public async Task<bool> EnsureAsync(
        Role role, Database database, IssuerDefinition issuer, string pool, string? insteadOf, string why, CancellationToken cancellation)
    {
        var answer = await ledger.Issues.SucceedAsync(database.Name, database.Issuing, ClaimMaker.TermsOf(role), pool, insteadOf, why, cancellation);
        if (answer is SucceedAnswer.Issue order) issuance.Start(role, database, issuer, pool, new ClaimAnswer.Issue(order.Lease, order.Fence, order.StartsIn));
        return answer is SucceedAnswer.Failed failed
            ? throw new DutyException($"The next lease of role '{role.Name}' could not be issued. {failed.Why}")
            : answer is SucceedAnswer.Ready;
    }

    /// <summary>Handles a lease whose login no longer works: it takes no more holders, and its holders move as soon as another lease exists.</summary>
    public async Task ReplaceBrokenAsync(LeaseCall call, string why, CancellationToken cancellation)
    {
        var lease = call.Lease;
        await ledger.Leases.MoveAsync(lease.Database, lease.Id, LeaseState.Retiring, why, cancellation, MoveHow.Broken);
        log.Moved(lease.Id, lease.Role, LeaseState.Retiring, why);
        if (lease.Holders > 0 || call.Role.KeepReady)
            await EnsureAsync(call.Role, call.Database, call.IssuerDefinition, lease.Pool, insteadOf: null, why, cancellation);
    }
}
