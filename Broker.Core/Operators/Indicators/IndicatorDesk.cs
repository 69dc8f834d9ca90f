using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Operators;
using Broker.Core.Operators.Indicators;

namespace Broker.Core.Operators.Indicators;

/// <summary>
/// The seven indicators. Latency, authentication, availability and audit are this replica's, of the last hour; leases and connections are
/// of the ledger, so the same at every replica; the drill is of the report that the last one left.
/// </summary>
internal sealed class IndicatorDesk(ICatalog catalog, BudgetDesk budgets, LeaseDesk leases, LastDrill drill, ILastHour lastHour, IAudit audit)
{
    /// <summary>Reads them. Those of a ledger that does not answer are not known.</summary>
    public async Task<IReadOnlyList<Indicator>> ReadAsync(CancellationToken cancellation)
    {
        try
        {
            return Of(await budgets.ReadAllAsync(cancellation), await leases.ListAsync(null, cancellation));
        }
        catch (LedgerException)
        {
            return Of(null, null);
        }
    }

    /// <summary>The indicators from data that has been read already; null: the ledger does not answer.</summary>
    public IReadOnlyList<Indicator> Of(IReadOnlyList<Budget>? read, IReadOnlyList<LeaseRecord>? known) =>
        [.. IndicatorRules.Of(lastHour.Counts, read, known, catalog.Current.Roles, audit.Sinks), drill.Read()];
}
