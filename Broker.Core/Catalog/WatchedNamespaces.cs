namespace Broker.Core.Catalog;

/// <summary>The namespaces of a cluster whose pods an <see cref="AllowRule"/> lets in, as far as the rule names them whole.</summary>
internal static class WatchedNamespaces
{
    // The short name, and the path in the token.
    private static readonly string[] Names = ["namespace", "kubernetes.io/namespace"];

    /// <summary>All of them; empty when the rule may match pods of any namespace.</summary>
    public static IEnumerable<string> Of(AllowRule rule)
    {
        foreach (var name in Names)
        {
            if (rule.Claims.TryGetValue(name, out var space) && !space.IsPrefix) return space.Values;
        }

        return rule.Claims.TryGetValue("sub", out var subject) ? subject.Values.Select(OfSubject).OfType<string>() : [];
    }

    // system:serviceaccount:NAMESPACE:NAME, also with a prefix that leaves only the name open.
    private static string? OfSubject(string subject) => subject.Split(':') is ["system", "serviceaccount", { Length: > 0 } space, _] ? space : null;
}
