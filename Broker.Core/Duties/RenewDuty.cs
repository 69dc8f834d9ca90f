using Broker.Core.Issuing;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Duties;

/// <summary>The duty <c>renew:LEASE</c>: a lease that takes holders is given more time by its issuer, after a third of its life.</summary>
internal sealed class RenewDuty(DutyTools tools, LeaseSuccessor successor, BrokerMetrics metrics, ILogger<RenewDuty> log)
    : LeaseDuty(tools)
{
    public override string Kind => DutyKinds.Renew;

    protected override async Task<TimeSpan?> LookAsync(LeaseCall call, CancellationToken cancellation)
    {
        var lease = call.Lease;
        if (lease.State != LeaseState.Active || !lease.Renewable) return null;
        try
        {
            if (await InFlightAsync(call, token => AskAsync(call, token), cancellation) is not { } term) return Jitter.Spread(Soon);

            // When less came than it was issued with, its last end is near: no further renewal changes that.
            var renewable = term.Renewable && term.Duration >= lease.Life * 0.9;
            var next = term.Duration / 3;
            await Ledger.Leases.RenewedAsync(
                lease.Database, lease.Id, term.Duration, lease.ReadAt, renewable, next, Jitter.Fraction(), cancellation);
            metrics.Renewed(lease.Database, "renewed");
            log.Renewed(lease.Id, lease.Role, term.Duration);
            return renewable ? Jitter.Spread(next) : null;
        }
        catch (IssuerException e) when (e.Failure == IssuerFailure.LeaseUnknown)
        {
            // Its user is gone, or about to be: nobody new gets it, and who holds it moves at once.
            metrics.Renewed(lease.Database, "lease-unknown");
            await successor.ReplaceBrokenAsync(call, $"the issuer no longer knows it: {e.Message}", cancellation);
            return null;
        }
        catch (IssuerException e)
        {
            // A failed renewal never issues anything (law L12): it is tried again until the lease is followed by another.
            metrics.Renewed(lease.Database, "failed");
            log.RenewFailed(lease.Id, lease.Role, e.Message);
            throw;
        }
    }

    private static async Task<LeaseTerm> AskAsync(LeaseCall call, CancellationToken cancellation)
    {
        // What its holders were promised is not taken back, even where its longest life is over before (law L4).
        var left = call.Lease.ExpiresAt!.Value - call.Lease.ReadAt;
        var increment = IncrementOf(call);
        return increment > left
            ? await call.Issuer.RenewAsync(call.IssuerLease, increment, call.Lease.ReadAt, cancellation)
            : new LeaseTerm(left, Renewable: false);
    }

    // A built-in lease may be renewed up to its longest life; what Vault allows, Vault knows itself.
    private static TimeSpan IncrementOf(LeaseCall call)
    {
        var (lease, role) = (call.Lease, call.Role);
        if (role.VaultPath is not null) return lease.Life;
        var left = lease.CreatedAt + role.LeaseMaxTtl - lease.ReadAt;
        return left < lease.Life ? left : lease.Life;
    }
}
