namespace Broker.Core.Catalog;

/// <summary>Everything configured that can change without a restart: one immutable, validated whole.</summary>
/// <param name="Databases">By name.</param>
/// <param name="Issuers">By name.</param>
/// <param name="Roles">By name.</param>
/// <param name="Identity">The settings of callers, viewers and operators.</param>
public sealed record CatalogSnapshot(
    IReadOnlyDictionary<string, Database> Databases,
    IReadOnlyDictionary<string, IssuerDefinition> Issuers,
    IReadOnlyDictionary<string, Role> Roles,
    IdentitySettings Identity)
{
    /// <summary>The Vault-compatible API.</summary>
    public VaultApiSettings VaultApi { get; init; } = new();
}

/// <summary>The current catalog; a reload replaces all of it.</summary>
public interface ICatalog
{
    /// <summary>The newest snapshot that validated. Take it once per request, so that one request sees one catalog.</summary>
    CatalogSnapshot Current { get; }

    /// <summary>Raised after a reload has swapped the snapshot.</summary>
    event Action<CatalogSnapshot>? Swapped;
}
