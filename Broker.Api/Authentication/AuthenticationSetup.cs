using Broker.Api.Authentication.BrokerTokens;
using Broker.Api.Authentication.Kubernetes;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Broker.Api.Authentication;

/// <summary>Adds authentication and authorization to the services. Needs the core's services.</summary>
public static class AuthenticationSetup
{
    /// <summary>
    /// Adds bearer tokens for everything, the policies of <see cref="Policies"/>, and, for every endpoint that does not say otherwise,
    /// the requirement of a proven caller (law L7). Nothing turns this off.
    /// </summary>
    public static IServiceCollection AddBrokerAuthentication(this IServiceCollection services)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton(static provider => new ProofHasher(provider.GetService<AuditSettings>() ?? new AuditSettings()));
        services.TryAddSingleton<LimitSettings>();
        services.AddSingleton<CallerProver>().AddSingleton<SessionTokens>().AddSingleton<AdminTokens>().AddSingleton<ProofGate>().AddSingleton<TokenReads>().AddSingleton<ClientTokens>();
        services.AddAuthentication(BearerHandler.Scheme).AddScheme<AuthenticationSchemeOptions, BearerHandler>(BearerHandler.Scheme, null);
        services.AddSingleton<IAuthorizationHandler, ListedHandler>();
        services.AddAuthorizationBuilder()
            .SetFallbackPolicy(new AuthorizationPolicyBuilder().RequireAuthenticatedUser().Build())
            .AddPolicy(Policies.Viewer, policy => policy.AddRequirements(new ListedRequirement(Policies.Viewer)))
            .AddPolicy(Policies.Admin, policy => policy.AddRequirements(new ListedRequirement(Policies.Admin)))
            .AddPolicy(Policies.Operator, policy => policy.AddRequirements(new ListedRequirement(Policies.Operator)));
        return services;
    }

    /// <summary>Follows the pods of the watched clusters. Needs the core.</summary>
    public static IServiceCollection AddPodWatch(this IServiceCollection services) => services.AddHostedService<PodWatch>();
}
