using Broker.Core.Catalog;

namespace Broker.Tests.Authentication;

/// <summary>A catalog of identity issuers alone, swapped by hand.</summary>
internal sealed class FixedCatalog(params IdentityIssuer[] issuers) : ICatalog
{
    public event Action<CatalogSnapshot>? Swapped;

    public CatalogSnapshot Current { get; private set; } = Of(issuers, [], []);

    public void Swap(params IdentityIssuer[] issuers) => Swap(Of(issuers, [], []));

    public void Swap(CatalogSnapshot snapshot)
    {
        Current = snapshot;
        Swapped?.Invoke(snapshot);
    }

    public static CatalogSnapshot Of(IdentityIssuer[] issuers, AllowRule[] viewers, AllowRule[] operators) => new(
        new Dictionary<string, Database>(),
        new Dictionary<string, IssuerDefinition>(),
        new Dictionary<string, Role>(),
        new IdentitySettings(issuers.ToDictionary(issuer => issuer.Name), viewers, operators));
}
