using Broker.Core.Catalog;
using Broker.Core.Issuing;
using Broker.Core.Ledger;

namespace Broker.Core.Leases.Duties;

/// <summary>The duty <c>token:ISSUER</c>: what an issuer's leases hang on is kept alive: the one Vault token of all replicas (law L4).</summary>
internal sealed class TokenDuty(Issuers issuers) : IDuty
{
    private static readonly TimeSpan WhenEndless = TimeSpan.FromMinutes(1);

    public string Kind => "token";

    public IEnumerable<string> Standing(CatalogSnapshot catalog, string database) =>
        database == SharedLedger.Issuers ? catalog.Issuers.Values.OfType<VaultIssuerDefinition>().Select(issuer => issuer.Name) : [];

    public async Task<TimeSpan?> DoAsync(DutyCall call, CancellationToken cancellation) =>
        // An issuer that is configured no more needs its token no more.
        call.Catalog.Issuers.TryGetValue(call.Subject, out var definition)
            ? await issuers[definition].KeepAliveAsync(cancellation) ?? WhenEndless
            : null;
}
