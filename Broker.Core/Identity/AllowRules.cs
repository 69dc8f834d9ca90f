using Broker.Core.Catalog;

namespace Broker.Core.Identity;

/// <summary>Decides whether rules match a proven caller.</summary>
public static class AllowRules
{
    /// <summary>Whether any rule of a list matches the caller; an empty list matches nobody.</summary>
    public static bool Allow(this IReadOnlyList<AllowRule> rules, Caller caller)
    {
        foreach (var rule in rules)
        {
            if (rule.Matches(caller)) return true;
        }

        return false;
    }

    /// <summary>Whether the caller may have a role: a rule matches it, and its session, if it uses one, covers the role.</summary>
    public static bool MayBeHadBy(this Role role, Caller caller) =>
        (caller.Roles is null || caller.Roles.Contains(role.Name)) && role.Allow.Allow(caller);

    /// <summary>
    /// Whether the issuer and every claim match the rule; a claim that is an array matches when one of
    /// its elements does. A rule without claims matches nobody.
    /// </summary>
    public static bool Matches(this AllowRule rule, Caller caller)
    {
        if (rule.Claims.Count == 0 || !string.Equals(rule.Issuer, caller.Issuer, StringComparison.Ordinal)) return false;
        foreach (var (path, match) in rule.Claims)
        {
            if (!match.Matches(ValuesOf(path, caller))) return false;
        }

        return true;
    }

    /// <summary>The caller's values of a claim, by the name that rules use.</summary>
    public static IEnumerable<string> ValuesOf(string path, Caller caller) => caller.Claims[Path(path, caller)];

    // A Kubernetes token is known by its namespace, which the API server always writes. In any other token the short
    // names are ordinary claims.
    private static string Path(string path, Caller caller) => path switch
    {
        "namespace" when caller.IsKubernetes => Caller.KubernetesNamespace,
        "serviceaccount" when caller.IsKubernetes => Caller.KubernetesServiceAccount,
        "pod" when caller.IsKubernetes => Caller.KubernetesPod,
        "node" when caller.IsKubernetes => Caller.KubernetesNode,
        _ => ClaimPath.Of(path),
    };
}
