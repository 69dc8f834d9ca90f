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
        Refusal? refusal = null;
        if (!catalog.Current.Roles.TryGetValue(roleName, out var role))
        {
            refusal = Refusals.NotAllowed(roleName);
        }
        else
        {
            try
            {
                await pauses.SetAsync(role, new(roleName, state, reason, caller.DisplayName, time.GetUtcNow()), cancellation);
            }
            catch (LedgerException)
            {
                refusal = Refusals.LedgerUnavailable();
            }
        }

        var record = DeskAudit.Of(AuditAction.Pause, caller, refusal, origin, time) with
        {
            Role = roleName,
            Database = role?.Database,
            Detail = refusal?.Detail ?? state switch
            {
                RoleState.Paused => "paused: no new holder gets it",
                RoleState.Draining => "drained: no new holder gets it, and no holder gets more time",
                _ => "it is granted again",
            },
            Reason = reason,
        };
        return (await audit.WriteAsync(record, new Outcome(null, refusal), cancellation)).Refusal;
    }
}
