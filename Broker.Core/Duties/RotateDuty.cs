using Broker.Core.Catalog;
using Broker.Core.Issuing;
using Broker.Core.Leases;
using Broker.Core.Leases.Issues;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Duties;

/// <summary>
/// The duty <c>rotate:LEASE</c>: before a lease that can no longer be renewed has too little time left for new holders, another lease is
/// issued, and replaces it once it works. The old lease's holders then move in waves. A static role's lease that missed its window is kept for
/// another turn.
/// </summary>
internal sealed class RotateDuty(DutyTools tools, LeaseSuccessor successor, ILogger<RotateDuty> log) : LeaseDuty(tools)
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(2);

    public override string Kind => DutyKinds.Rotate;

    protected override async Task<TimeSpan?> LookAsync(LeaseCall call, CancellationToken cancellation)
    {
        var lease = call.Lease;
        if (lease.State != LeaseState.Active) return null;
        if (call.Role.Static is { } users && lease is { IssuedAt: { } issued, ExpiresAt: { } end } && users.Rotation.IsMissed(issued, end, lease.ReadAt)) return await KeepAsync(call, users.Rotation, cancellation);

        // A lease without holders needs no successor: the next claim gets a new one.
        if (lease.Holders == 0 && !call.Role.KeepReady)
        {
            await Ledger.Leases.MoveAsync(lease.Database, lease.Id, LeaseState.Retiring, "due for replacement, and nobody holds it", cancellation);
            return null;
        }

        var ready = await successor.EnsureAsync(call.Role, call.Database, call.IssuerDefinition, lease.Pool, lease.Id, "replaced before its end", cancellation);
        return ready ? null : Jitter.Spread(LookAgain);
    }

    // Its user's password does not change before the other user's next turn is over, so it can be handed out and used until then.
    private async Task<TimeSpan?> KeepAsync(LeaseCall call, Rotation rotation, CancellationToken cancellation)
    {
        var lease = call.Lease;
        var (own, _) = rotation.TurnsFrom(lease.ReadAt);
        var (life, lasts) = StaticTurn.TermsFrom(rotation, lease.ReadAt);
        await Ledger.Leases.RenewedAsync(lease.Database, lease.Id, lasts, lease.ReadAt, renewable: false, own, StaticTurn.Spread, cancellation, life);
        log.RotationMissed(lease.Id, lease.Role, rotation.Window!.Value, lease.ReadAt + own);
        return own;
    }
}
