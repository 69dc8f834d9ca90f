using Broker.Api.Fronts.Vault.Endpoints;
using Broker.Api.Fronts.Vault.Passing;

namespace Broker.Api.Fronts.Vault;

/// <summary>Adds the Vault-compatible API to the services, and to the pipeline before the framework's own routing.</summary>
internal static class VaultSetup
{
    /// <summary>Adds it. The endpoints are asked in the order in which they are added.</summary>
    public static void AddVaultFront(this IServiceCollection services)
    {
        services.AddSingleton<VaultFront>().AddSingleton<VaultRequests>().AddSingleton<AppRoleLogins>().AddSingleton<TokenEnds>().AddSingleton<ChildTokens>().AddSingleton<Wrapping>().AddSingleton<RenewalPace>().AddSingleton<UpstreamLogins>().AddSingleton<PassThrough>().AddSingleton<WrappedBehind>().AddSingleton<ShadowReads>();
        services.AddSingleton<IVaultEndpoints, HelpEndpoints>();
        services.AddSingleton<IVaultEndpoints, StaticEndpoints>();
        services.AddSingleton<IVaultEndpoints, CredentialEndpoints>();
        services.AddSingleton<IVaultEndpoints, LeaseEndpoints>();
        services.AddSingleton<IVaultEndpoints, LoginEndpoints>();
        services.AddSingleton<IVaultEndpoints, TokenEndpoints>();
        services.AddSingleton<IVaultEndpoints>(provider => provider.GetRequiredService<Wrapping>());
        services.AddSingleton<IVaultEndpoints, SystemEndpoints>();
    }

    /// <summary>Answers <c>/v1/…</c> from here on.</summary>
    public static void UseVaultFront(this WebApplication app)
    {
        var front = app.Services.GetRequiredService<VaultFront>();
        app.Use(next => context => front.HandleAsync(context, next));
    }
}
