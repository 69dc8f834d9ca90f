using System.Globalization;
using Broker.Core.Audit;
using Broker.Core.Budgets;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Broker.Core.Operators;

namespace Broker.Core.Operators;

/// <summary>Carries out operators' orders on ceilings, each recorded.</summary>
internal sealed class CeilingDesk(ICatalog catalog, Ceilings ceilings, DeskAudit audit, TimeProvider time)
{
    /// <summary>Sets a ceiling, or takes it back (null). Takes effect with the next count of connections. Null: done.</summary>
    public async ValueTask<Refusal?> SetAsync(Caller caller, string database, int? ceiling, string reason, Origin origin, CancellationToken cancellation)
    {
        Refusal? refusal = null;
        if (!catalog.Current.Databases.ContainsKey(database))
        {
            refusal = Refusals.Invalid($"There is no database '{database}'.");
        }
        else
        {
            try
            {
                await ceilings.SetAsync(database, ceiling is { } connections ? new(connections, reason, caller.DisplayName, time.GetUtcNow()) : null, cancellation);
            }
            catch (LedgerException)
            {
                refusal = Refusals.LedgerUnavailable();
            }
        }

        var record = DeskAudit.Of(AuditAction.Ceiling, caller, refusal, origin, time) with
        {
            Database = database,
            Connections = ceiling,
            Detail = refusal?.Detail ?? (ceiling is null ? "the configured ceiling is in force again" : null),
            Reason = reason,
        };
        return (await audit.WriteAsync(record, new Outcome(null, refusal), cancellation)).Refusal;
    }
}
