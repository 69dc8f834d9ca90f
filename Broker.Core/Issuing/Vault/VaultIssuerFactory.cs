using Broker.Core.Catalog;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Issuing.Vault;

/// <summary>Creates the issuer of a definition; a changed definition needs a new issuer. Tokens outlive issuers in the store.</summary>
public sealed class VaultIssuerFactory(IVaultTokenStore store, TimeProvider time, ILogger<VaultIssuer> logger)
{
    /// <summary>The issuer for a definition, with connections and a circuit breaker of its own. Dispose of it.</summary>
    public VaultIssuer Create(VaultIssuerDefinition definition)
    {
        var client = new VaultClient(definition, new VaultChannels(definition, time, logger), time, logger);
        return new VaultIssuer(definition, client, new VaultTokenSource(client, definition, store, time, logger), logger);
    }
}

/// <summary>Registration.</summary>
public static class VaultServices
{
    /// <summary>
    /// Adds <see cref="VaultIssuerFactory"/>, and a token store for one replica unless an <see cref="IVaultTokenStore"/> is
    /// there already. Needs logging and a <see cref="TimeProvider"/>.
    /// </summary>
    public static IServiceCollection AddVault(this IServiceCollection services)
    {
        services.TryAddSingleton<IVaultTokenStore, InMemoryVaultTokenStore>();
        services.TryAddSingleton<VaultIssuerFactory>();
        return services;
    }
}
