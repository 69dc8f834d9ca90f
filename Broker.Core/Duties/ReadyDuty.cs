using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Core.Duties;

/// <summary>The duty <c>ready:ROLE</c>: makes sure that a role that is kept ready has a lease that takes holders before anybody asks, and another when that is full.</summary>
internal sealed class ReadyDuty(LeaseSuccessor successor, Jitter jitter) : IDuty
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(5);

    public string Kind => DutyKinds.Ready;

    public IEnumerable<string> Standing(CatalogSnapshot catalog, string database) =>
        catalog.Roles.Values.Where(role => role.Database == database && role.KeepReady).Select(role => role.Name);

    public async Task<TimeSpan?> DoAsync(DutyCall call, CancellationToken cancellation)
    {
        if (!call.Catalog.Roles.TryGetValue(call.Subject, out var role) || !role.KeepReady || role.Database != call.Database) return null;
        await successor.EnsureAsync(
            role, call.Catalog.Databases[call.Database], call.Catalog.Issuers[role.Issuer], Pool.Shared(role).Key, insteadOf: null, "", cancellation);
        return jitter.Spread(Every);
    }
}
