using Broker.Core.Catalog;

namespace Broker.Core.Identity;

/// <summary>One claim of a rule, compared with the caller's.</summary>
/// <param name="Claim">Its path.</param>
/// <param name="Wanted">What the rule wants.</param>
/// <param name="Found">What the token says; empty: it has no such claim.</param>
/// <param name="Matches">Whether they match.</param>
public sealed record ExplainedClaim(string Claim, string Wanted, IReadOnlyList<string> Found, bool Matches);

/// <summary>One rule, compared with the caller.</summary>
/// <param name="Issuer">The identity issuer it wants.</param>
/// <param name="IssuerMatches">Whether that is the caller's.</param>
/// <param name="Claims">The claims it wants.</param>
/// <param name="Matches">Whether the rule matches the caller.</param>
public sealed record ExplainedRule(string Issuer, bool IssuerMatches, IReadOnlyList<ExplainedClaim> Claims, bool Matches);

/// <summary>Why a caller may or may not have a role. For administrators only, because it shows the content of tokens and rules.</summary>
/// <param name="Allowed">Whether it may.</param>
/// <param name="Reason">In a sentence.</param>
/// <param name="Rules">The role's rules, one by one.</param>
public sealed record Explanation(bool Allowed, string Reason, IReadOnlyList<ExplainedRule> Rules)
{
    /// <summary>Explains; says so when there is no such role.</summary>
    public static Explanation Of(CatalogSnapshot catalog, Caller caller, string roleName)
    {
        if (!catalog.Roles.TryGetValue(roleName, out var role)) return new(false, $"There is no role '{roleName}'.", []);
        var rules = role.Allow.Select(rule => Of(rule, caller)).ToList();
        var allowed = role.MayBeHadBy(caller);
        var rule = rules.FindIndex(explained => explained.Matches);
        return new(allowed, (allowed, rule) switch
        {
            (true, _) => $"Rule {rule} of the role's Allow matches.",
            (false, >= 0) => $"Rule {rule} matches, but the session was given for {string.Join(", ", caller.Roles!)} only.",
            _ => rules.Exists(explained => explained.IssuerMatches)
                ? "No rule of the role's Allow matches: see the claims."
                : $"No rule of the role's Allow names issuer '{caller.Issuer}'.",
        }, rules);
    }

    private static ExplainedRule Of(AllowRule rule, Caller caller) => new(
        rule.Issuer,
        rule.Issuer == caller.Issuer,
        [.. rule.Claims.Select(claim =>
        {
            string[] found = [.. AllowRules.ValuesOf(claim.Key, caller)];
            return new ExplainedClaim(claim.Key, claim.Value.ToString(), found, claim.Value.Matches(found));
        })],
        rule.Matches(caller));
}
