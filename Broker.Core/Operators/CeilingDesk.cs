using System.Globalization;
using Broker.Core.Audit;
using Broker.Core.Budgets;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Leases;
using Broker.Core.Model;
using Broker.Core.Operators;

namespace Broker.Core.Operators;

/// <summary>Carries out operators' orders on ceilings, each recorded.</summary>
internal sealed class CeilingDesk(ICatalog catalog, Ceilings ceilings, DeskAudit audit, TimeProvider time)
{
    /// <summary>Sets a ceiling, or takes it back (null). Takes effect with the next count of connections. Null: done.</summary>
    public async ValueTask<Refusal?> SetAsync(Caller caller, string database, int? ceiling, string reason, Origin origin, CancellationToken cancellation)
    {
        var order = DeskAudit.Of(AuditAction.Ceiling, caller, null, origin, time) with
        {
            Database = database,
            Connections = ceiling,
            Detail = ceiling is null ? "the configured ceiling is in force again" : null,
            Reason = reason,
        };
        if (!catalog.Current.Databases.ContainsKey(database)) return await audit.EndAsync(order, Refusals.Invalid($"There is no database '{database}'."), cancellation);
        return await audit.CarryOutAsync(
            order,
            async () =>
            {
                await ceilings.SetAsync(database, ceiling is { } connections ? new(connections, reason, caller.DisplayName, time.GetUtcNow()) : null, cancellation);
                return null;
            },
            cancellation);
    }
}
