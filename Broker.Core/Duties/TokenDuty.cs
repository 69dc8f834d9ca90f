using Broker.Core.Catalog;
using Broker.Core.Issuing;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Core.Duties;

/// <summary>
/// The duty <c>token:ISSUER</c>: keeps alive what an issuer's leases depend on: the one Vault token of all replicas (law L4).
/// When a new token replaces it, the earlier leases are verified at once: they may have ended with it.
/// </summary>
internal sealed class TokenDuty(SharedLedger ledger, Issuers issuers) : IDuty
{
    private static readonly TimeSpan WhenEndless = TimeSpan.FromMinutes(1);

    public string Kind => DutyKinds.Token;

    public IEnumerable<string> Standing(CatalogSnapshot catalog, string database) =>
        database == SharedLedger.Issuers ? catalog.Issuers.Values.OfType<VaultIssuerDefinition>().Select(issuer => issuer.Name) : [];

    public async Task<TimeSpan?> DoAsync(DutyCall call, CancellationToken cancellation)
    {
        // An issuer that is no longer configured no longer needs its token.
        if (!call.Catalog.Issuers.TryGetValue(call.Subject, out var definition)) return null;
        var issuer = issuers[definition];
        var next = await issuer.KeepAliveAsync(cancellation) ?? WhenEndless;
        if (await issuer.GenerationAsync(cancellation) is { } generation) await CompareAsync(call.Catalog, definition.Name, generation, cancellation);
        return next;
    }

    private async Task CompareAsync(CatalogSnapshot catalog, string issuer, string generation, CancellationToken cancellation)
    {
        var name = "generation:" + issuer;
        var before = await ledger.Texts.ReadSharedAsync(name, cancellation);
        if (before?.Text == generation) return;
        if (before is not null)
        {
            foreach (var role in catalog.Roles.Values.Where(role => role.Issuer == issuer))
            {
                foreach (var lease in await ledger.Leases.LiveAsync(role.Database, cancellation))
                {
                    if (lease.Role == role.Name && lease.State is LeaseState.Active or LeaseState.Retiring)
                        await ledger.Duties.HurryAsync(role.Database, DutyKinds.Verify, lease.Id, cancellation);
                }
            }
        }

        await ledger.Texts.ReplaceSharedAsync(name, before?.Text, generation, cancellation);
    }
}
