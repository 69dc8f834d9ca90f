using Broker.Core.Catalog;
using Broker.Core.Identity;
using Microsoft.AspNetCore.Authorization;

namespace Broker.Api.Authentication;

/// <summary>The names of the authorization policies.</summary>
public static class Policies
{
    /// <summary>May see budgets, leases, the page and the metrics: the configured viewers, and operators.</summary>
    public const string Viewer = "viewer";

    /// <summary>May revoke and rotate too: the configured operators.</summary>
    public const string Operator = "operator";
}

/// <summary>Asks the catalog as it is now: a person taken off a list is out at the next request.</summary>
/// <param name="Policy">One of <see cref="Policies"/>.</param>
internal sealed record ListedRequirement(string Policy) : IAuthorizationRequirement;

/// <summary>Looks callers up in the lists of <see cref="IdentitySettings"/>.</summary>
internal sealed class ListedHandler(ICatalog catalog) : AuthorizationHandler<ListedRequirement>
{
    protected override Task HandleRequirementAsync(AuthorizationHandlerContext context, ListedRequirement requirement)
    {
        if (context.User.Identity is CallerIdentity { Caller: var caller })
        {
            var identity = catalog.Current.Identity;
            if (identity.Operators.Allow(caller) || (requirement.Policy == Policies.Viewer && identity.Viewers.Allow(caller)))
                context.Succeed(requirement);
        }

        return Task.CompletedTask;
    }
}
