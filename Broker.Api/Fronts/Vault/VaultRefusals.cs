using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Model;

namespace Broker.Api.Fronts.Vault;

/// <summary>How the broker's refusals are said to Vault's clients: the one place where codes become statuses and texts there.</summary>
internal static class VaultRefusals
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);

    /// <summary>
    /// What is only so for now is 503 or 429 with <c>Retry-After</c>, which Go's client tries again by itself; never 403, at which some
    /// clients log in anew, and never 400, at which they give up.
    /// </summary>
    /// <param name="refusal">The refusal.</param>
    /// <param name="role">The role that was asked for, for the log; null: none is known.</param>
    public static VaultError Of(Refusal refusal, string? role = null) => refusal.Code switch
    {
        // Who cannot be proven right now may be who it says it is.
        RefusalCode.Unauthenticated when refusal.RetryAfter is not null => new VaultError(503, refusal.Detail) { IsAudited = true, Refusal = refusal, Role = role, RetryAfter = refusal.RetryAfter },
        RefusalCode.NotAllowed or RefusalCode.Unauthenticated => new VaultError(403, "1 error occurred:\n\t* permission denied\n\n") { IsAudited = true, Refusal = refusal, Role = role },
        RefusalCode.InvalidRequest or RefusalCode.HolderInUse => new VaultError(400, refusal.Detail) { IsAudited = true, Refusal = refusal, Role = role },
        RefusalCode.IssueThrottled or RefusalCode.LimitExceeded => new VaultError(429, refusal.Detail) { IsAudited = true, Refusal = refusal, Role = role, RetryAfter = refusal.RetryAfter ?? Soon },
        _ => new VaultError(503, refusal.Detail) { IsAudited = true, Refusal = refusal, Role = role, RetryAfter = refusal.RetryAfter ?? Soon },
    };
}
