using Broker.Core.Catalog;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Core.Duties;

/// <summary>
/// The duty <c>leftovers</c>: looks in the database for users that look like the broker's (or Vault's for its roles) and that no
/// lease knows (law L5). They are shown; those that are certainly useless are dropped. A database that nobody uses
/// is left alone once it has been searched after its last use.
/// </summary>
internal sealed class LeftoversDuty(SharedLedger ledger, Leftovers leftovers, Jitter jitter) : IDuty
{
    private static readonly TimeSpan Every = TimeSpan.FromMinutes(2);

    public string Kind => DutyKinds.Leftovers;

    public IEnumerable<string> Standing(CatalogSnapshot catalog, string database) => database == SharedLedger.Issuers ? [] : [""];

    public async Task<TimeSpan?> DoAsync(DutyCall call, CancellationToken cancellation)
    {
        var database = call.Catalog.Databases[call.Database];
        if (await ledger.Budgets.RestAsync(call.Catalog, database, cancellation) is not RestAnswer.Resting { Looked: true } || call.Failures > 0)
            await leftovers.LookAsync(call.Catalog, database, cancellation);
        return jitter.Spread(Every);
    }
}
