using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Leases;
using Broker.Core.Leases.Pausing;
using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Core.Operators;

/// <summary>Carries out operators' orders on roles, each recorded.</summary>
internal sealed class PauseDesk(ICatalog catalog, RolePauses pauses, DeskAudit audit, TimeProvider time)
{
    /// <summary>Pauses, drains or resumes a role; in force on all replicas when this returns. Null: done.</summary>
    public async ValueTask<Refusal?> SetAsync(Caller caller, string roleName, RoleState state, string reason, Origin origin, CancellationToken cancellation)
    {
        var role = catalog.Current.Roles.GetValueOrDefault(roleName);
        var order = DeskAudit.Of(AuditAction.Pause, caller, null, origin, time) with
        {
            Role = roleName,
            Database = role?.Database,
            Detail = state switch
            {
                RoleState.Paused => "paused: no new holder gets it",
                RoleState.Draining => "drained: no new holder gets it, and no holder gets more time",
                _ => "it is granted again",
            },
            Reason = reason,
        };
        if (role is null) return await audit.EndAsync(order, Refusals.NotAllowed(roleName), cancellation);
        return await audit.CarryOutAsync(
            order,
            async () =>
            {
                await pauses.SetAsync(role, new(roleName, state, reason, caller.DisplayName, time.GetUtcNow()), cancellation);
                return null;
            },
            cancellation);
    }
}
