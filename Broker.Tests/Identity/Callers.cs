using Broker.Core.Identity;

namespace Broker.Tests.Identity;

/// <summary>Callers as a proven token makes them.</summary>
internal static class Callers
{
    public static Caller Of(string issuer, string subject, params (string Path, string Value)[] claims) =>
        new(issuer, subject, claims.ToLookup(claim => claim.Path, claim => claim.Value, StringComparer.Ordinal), DateTimeOffset.MaxValue);

    public static Caller Pod(string uid = "uid-1", string name = "orders-1", string account = "orders", string space = "shop") =>
        Of("kubernetes", $"system:serviceaccount:{space}:{account}",
            ("kubernetes.io/namespace", space), ("kubernetes.io/serviceaccount/name", account),
            ("kubernetes.io/pod/name", name), ("kubernetes.io/pod/uid", uid));
}
