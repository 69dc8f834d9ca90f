using Broker.Core.Catalog;
using Broker.Core.Identity;
using Microsoft.AspNetCore.Authorization;

namespace Broker.Api.Authentication;

/// <summary>The names of the authorization policies.</summary>
public static class Policies
{
    /// <summary>May see budgets, leases, the page and the metrics: the configured viewers, and operators.</summary>
    public const string Viewer = "viewer";

    /// <summary>May also revoke and rotate: the configured operators.</summary>
    public const string Operator = "operator";

    /// <summary>May also ask why a caller may or may not have a role: the configured admins, and whoever has a token made on the server.</summary>
    public const string Admin = "admin";
}

/// <summary>Consults the current catalog: a person who is removed from a list is refused at the next request.</summary>
/// <param name="Policy">One of <see cref="Policies"/>.</param>
internal sealed record ListedRequirement(string Policy) : IAuthorizationRequirement;

/// <summary>Decides which policies a caller satisfies.</summary>
internal static class Listing
{
    /// <summary>Whether a caller satisfies a policy. A session is only for roles, whoever opened it.</summary>
    public static bool Grants(this IdentitySettings identity, Caller caller, string policy) => caller.Session is null && policy switch
    {
        Policies.Viewer => identity.Viewers.Allow(caller) || identity.Grants(caller, Policies.Operator),
        Policies.Operator => identity.Operators.Allow(caller) || identity.Grants(caller, Policies.Admin),
        Policies.Admin => caller.Issuer == Caller.OwnIssuer || identity.Admins.Allow(caller),
        _ => false,
    };
}

/// <summary>Looks callers up in the lists of <see cref="IdentitySettings"/>.</summary>
internal sealed class ListedHandler(ICatalog catalog) : AuthorizationHandler<ListedRequirement>
{
    protected override Task HandleRequirementAsync(AuthorizationHandlerContext context, ListedRequirement requirement)
    {
        if (context.User.Identity is CallerIdentity { Caller: var caller })
        {
            if (catalog.Current.Identity.Grants(caller, requirement.Policy)) context.Succeed(requirement);
        }

        return Task.CompletedTask;
    }
}
