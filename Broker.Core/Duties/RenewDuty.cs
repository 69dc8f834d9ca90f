using Broker.Core.Issuing;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Duties;

/// <summary>The duty <c>renew:LEASE</c>: renews a lease that takes holders with its issuer, after a third of its lifetime.</summary>
internal sealed class RenewDuty(DutyTools tools, LeaseSuccessor successor, BrokerMetrics metrics, ILogger<RenewDuty> log)
    : LeaseDuty(tools)
{
    public override string Kind => DutyKinds.Renew;

    protected override async Task<TimeSpan?> LookAsync(LeaseCall call, CancellationToken cancellation)
    {
        var lease = call.Lease;
        // A lease that can be renewed no more, or that takes holders no more, has this duty when an earlier renewal came late (renewed.lua): its end is
        // told once more.
        if (lease.State is not (LeaseState.Active or LeaseState.Retiring) || (!MayBeRenewed(lease) && !IsToldItsEnd(call))) return null;
        try
        {
            if (await InFlightAsync(call, token => AskAsync(call, token), cancellation) is not { } term) return Jitter.Spread(Soon);

            // When the issuer grants less than the original lifetime, the lease is near its final end, and further renewals are pointless.
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
            // Its user is gone, or about to be: nobody new gets it, and its holders move at once.
            metrics.Renewed(lease.Database, "lease-unknown");
            await successor.ReplaceBrokenAsync(call, $"the issuer no longer knows it: {e.Message}", cancellation);
            return null;
        }
        catch (IssuerException e)
        {
            // A failed renewal never issues anything (law L12): it is tried again until another lease replaces this one.
            metrics.Renewed(lease.Database, "failed");
            log.RenewFailed(lease.Id, lease.Role, e.Message);
            throw;
        }
    }

    private static async Task<LeaseTerm> AskAsync(LeaseCall call, CancellationToken cancellation)
    {
        // The end that its holders were promised stands, even if its maximum lifetime ends before, and whatever an earlier renewal that came late told the
        // issuer (law L4).
        var left = call.Lease.ExpiresAt!.Value - call.Lease.ReadAt;
        var increment = MayBeRenewed(call.Lease) ? IncrementOf(call) : left;
        if (increment > left) return await call.Issuer.RenewAsync(call.IssuerLease, increment, call.Lease.ReadAt, cancellation);
        if (left > TimeSpan.Zero && IsToldItsEnd(call)) await call.Issuer.RenewAsync(call.IssuerLease, left, call.Lease.ReadAt, cancellation);
        return new LeaseTerm(left, Renewable: false);
    }

    private static bool MayBeRenewed(LeaseRecord lease) => lease is { State: LeaseState.Active, Renewable: true };

    // The built-in issuer writes the end that it is told; Vault counts a renewal from the moment at which it comes.
    private static bool IsToldItsEnd(LeaseCall call) => call.Role.VaultPath is null && call.Role.Static is null;

    // A built-in lease may be renewed up to its maximum lifetime; Vault enforces its own limit.
    private static TimeSpan IncrementOf(LeaseCall call)
    {
        var (lease, role) = (call.Lease, call.Role);
        if (role.VaultPath is not null) return lease.Life;
        var left = lease.CreatedAt + role.LeaseMaxTtl - lease.ReadAt;
        return left < lease.Life ? left : lease.Life;
    }
}
