using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Model;

namespace Broker.Api.Fronts.Vault;

/// <summary>The broker's refusals as Vault's clients see them: the single place where codes become statuses and texts there.</summary>
internal static class VaultRefusals
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);

    /// <summary>
    /// A temporary refusal is 503 or 429 with <c>Retry-After</c>, which Go's client tries again by itself; never 403, at which some
    /// clients log in again, and never 400, at which they give up.
    /// </summary>
    /// <param name="refusal">The refusal.</param>
    /// <param name="role">The requested role, for the log; null: none is known.</param>
    public static VaultError Of(Refusal refusal, string? role = null) => refusal.Code switch
    {
        // A caller that cannot be proven right now may be who it says it is.
        RefusalCode.Unauthenticated when refusal.RetryAfter is not null => new VaultError(503, refusal.Detail) { IsAudited = true, Refusal = refusal, Role = role, RetryAfter = refusal.RetryAfter },
        RefusalCode.NotAllowed or RefusalCode.Unauthenticated => new VaultError(403, "1 error occurred:\n\t* permission denied\n\n") { IsAudited = true, Refusal = refusal, Role = role },
        RefusalCode.InvalidRequest or RefusalCode.HolderInUse => new VaultError(400, refusal.Detail) { IsAudited = true, Refusal = refusal, Role = role },
        RefusalCode.IssueThrottled or RefusalCode.LimitExceeded => new VaultError(429, refusal.Detail) { IsAudited = true, Refusal = refusal, Role = role, RetryAfter = refusal.RetryAfter ?? Soon },
        _ => new VaultError(503, refusal.Detail) { IsAudited = true, Refusal = refusal, Role = role, RetryAfter = refusal.RetryAfter ?? Soon },
    };
}
