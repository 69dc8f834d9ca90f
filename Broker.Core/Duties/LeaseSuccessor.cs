using Broker.Core.Catalog;
using Broker.Core.Duties;
using Broker.Core.Leases;
using Broker.Core.Leases.Claims;
using Broker.Core.Leases.Issues;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Duties;

/// <summary>Sees to it that a pool has a lease that takes holders, ahead of anybody's asking: the next one before the last one ends.</summary>
internal sealed class LeaseSuccessor(SharedLedger ledger, Issuance issuance, ILogger<LeaseSuccessor> log)
{
    /// <summary>Whether the pool has such a lease; if not, it is being issued when this returns.</summary>
    /// <param name="role">The pool's role.</param>
    /// <param name="database">Its database.</param>
    /// <param name="issuer">Its issuer.</param>
    /// <param name="pool">The pool.</param>
    /// <param name="insteadOf">A lease that takes holders until the next one works, and no more after that; null: none.</param>
    /// <param name="why">Shown as the reason why that lease takes no more holders.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="DutyException">Issuing failed a moment ago; the message says why. It is not asked for again before its time (law L12).</exception>
    public async Task<bool> EnsureAsync(
        Role role, Database database, IssuerDefinition issuer, string pool, string? insteadOf, string why, CancellationToken cancellation)
    {
        var answer = await ledger.Issues.SucceedAsync(database.Name, database.Issuing, ClaimMaker.TermsOf(role), pool, insteadOf, why, cancellation);
        if (answer is SucceedAnswer.Issue order) issuance.Start(role, database, issuer, pool, new ClaimAnswer.Issue(order.Lease, order.Fence, order.StartsIn));
        return answer is SucceedAnswer.Failed failed
            ? throw new DutyException($"The next lease of role '{role.Name}' could not be issued. {failed.Why}")
            : answer is SucceedAnswer.Ready;
    }

    /// <summary>A lease's login works no more: it takes nobody in, and who holds it moves as soon as another is there.</summary>
    public async Task ReplaceBrokenAsync(LeaseCall call, string why, CancellationToken cancellation)
    {
        var lease = call.Lease;
        await ledger.Leases.MoveAsync(lease.Database, lease.Id, LeaseState.Retiring, why, cancellation, MoveHow.Broken);
        log.Moved(lease.Id, lease.Role, LeaseState.Retiring, why);
        if (lease.Holders > 0 || call.Role.KeepReady)
            await EnsureAsync(call.Role, call.Database, call.IssuerDefinition, lease.Pool, insteadOf: null, why, cancellation);
    }
}
