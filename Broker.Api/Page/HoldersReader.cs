using Broker.Api.Authentication;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Leases.History;
using Broker.Core.Ledger;
using Broker.Core.Operators;
using Broker.Core.Operators.Holdings;

namespace Broker.Api.Page;

/// <summary>Reads what the page of one database's holders shows, for one caller, at this moment.</summary>
internal interface IHoldersSource
{
    /// <summary>Reads the model; null when there is no such database. If the ledger does not answer, the model says so.</summary>
    Task<HoldersModel?> ReadAsync(Caller caller, string database, HoldingFilter filter, HistorySpan span, CancellationToken cancellation);
}

/// <summary>Reads the model from the desk.</summary>
internal sealed class HoldersReader(ICatalog catalog, HoldingDesk desk, HistoryDesk histories, ExaminationDesk examinations, TimeProvider time) : IHoldersSource
{
    /// <inheritdoc/>
    public async Task<HoldersModel?> ReadAsync(Caller caller, string database, HoldingFilter filter, HistorySpan span, CancellationToken cancellation)
    {
        var mayOrder = catalog.Current.Identity.Grants(caller, Policies.Operator);
        try
        {
            return await desk.ReadAsync(database, cancellation) is { } read
                ? new(caller.DisplayName, mayOrder, database, read.Now, null, filter, filter.Of(read.Holders), read.Holders, read.Others, read.WhyUnseen)
                {
                    Examination = await examinations.ReadAsync(database, cancellation),
                    History = await histories.ReadAsync(database, span, cancellation),
                }
                : null;
        }
        catch (LedgerException e)
        {
            return new(
                caller.DisplayName, mayOrder, database, time.GetUtcNow(), PageText.LedgerAway(e), filter, filter.Of([]), [], [], null);
        }
    }
}
