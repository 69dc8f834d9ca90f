using Broker.Core.Issuing;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Core.Duties;

/// <summary>
/// The duty <c>rotate:LEASE</c>: before a lease that can be renewed no more has too little time left for new holders, another is
/// issued, and takes its place when it works. The old one's holders then move in waves.
/// </summary>
internal sealed class RotateDuty(DutyTools tools, LeaseSuccessor successor) : LeaseDuty(tools)
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(2);

    public override string Kind => DutyKinds.Rotate;

    protected override async Task<TimeSpan?> LookAsync(LeaseCall call, CancellationToken cancellation)
    {
        var lease = call.Lease;
        if (lease.State != LeaseState.Active) return null;

        // Whom nobody holds nobody needs to follow: the next claim gets a new one.
        if (lease.Holders == 0 && !call.Role.KeepReady)
        {
            await Ledger.Leases.MoveAsync(lease.Database, lease.Id, LeaseState.Retiring, "to be followed by another, and nobody holds it", cancellation);
            return null;
        }

        var ready = await successor.EnsureAsync(call.Role, call.Database, call.IssuerDefinition, lease.Pool, lease.Id, "followed by another before its end", cancellation);
        return ready ? null : Jitter.Spread(LookAgain);
    }
}
