using Broker.Core.Catalog;

namespace Broker.Core.Identity;

/// <summary>Whether a proven caller is meant by a rule.</summary>
public static class AllowRules
{
    /// <summary>Whether any rule of a list means the caller; an empty list means nobody.</summary>
    public static bool Allow(this IReadOnlyList<AllowRule> rules, Caller caller)
    {
        foreach (var rule in rules)
        {
            if (rule.Matches(caller)) return true;
        }

        return false;
    }

    /// <summary>
    /// Whether the issuer is the rule's and every claim has the rule's exact value; a claim that is an array matches when
    /// one of its elements does. A rule without claims matches nobody.
    /// </summary>
    public static bool Matches(this AllowRule rule, Caller caller)
    {
        if (rule.Claims.Count == 0 || !string.Equals(rule.Issuer, caller.Issuer, StringComparison.Ordinal)) return false;
        foreach (var (path, value) in rule.Claims)
        {
            if (!caller.Claims[Path(path, caller)].Contains(value)) return false;
        }

        return true;
    }

    // A Kubernetes token is known by its namespace, which the API server always writes. In any other token the short
    // names are ordinary claims.
    private static string Path(string path, Caller caller) => path switch
    {
        "namespace" when caller.IsKubernetes => Caller.KubernetesNamespace,
        "serviceaccount" when caller.IsKubernetes => Caller.KubernetesServiceAccount,
        "pod" when caller.IsKubernetes => Caller.KubernetesPod,
        _ => path,
    };
}
