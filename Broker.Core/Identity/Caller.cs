namespace Broker.Core.Identity;

/// <summary>A proven caller: what a valid token says. Created only by code that has verified the token's signature.</summary>
/// <param name="Issuer">The key of the identity issuer that proved it.</param>
/// <param name="Subject">The token's <c>sub</c>.</param>
/// <param name="Claims">The token's claims, flattened: <c>kubernetes.io/namespace</c>; an array gives several values.</param>
/// <param name="ExpiresAt">The token's end.</param>
/// <param name="Cluster">The name that stands for the issuer in holders' ids; null: its key.</param>
public sealed record Caller(
    string Issuer,
    string Subject,
    ILookup<string, string> Claims,
    DateTimeOffset ExpiresAt,
    string? Cluster = null)
{
    /// <summary>The issuer of callers that the broker itself proves: administrators with a token made on the server.</summary>
    public const string OwnIssuer = "~broker";

    // Claims of a service account token, as kube-apiserver 1.36 writes them; those of the pod only when bound to one.
    internal const string KubernetesNamespace = "kubernetes.io/namespace";
    internal const string KubernetesServiceAccount = "kubernetes.io/serviceaccount/name";
    internal const string KubernetesPod = "kubernetes.io/pod/name";
    internal const string KubernetesNode = "kubernetes.io/node/name";
    internal const string KubernetesPodUid = "kubernetes.io/pod/uid";

    /// <summary>The keyed hash of the token that proved it, for the audit; null when there is none.</summary>
    public string? ProofHash { get; init; }

    /// <summary>The thumbprint of the key that signed the token (RFC 7638); null when a cluster was asked about it.</summary>
    public string? SigningKey { get; init; }

    /// <summary>The id of the broker session it came by; null when it came by its own token.</summary>
    public string? Session { get; init; }

    /// <summary>The SPIFFE id of the client certificate that it must also present; null: none.</summary>
    public string? SpiffeId { get; init; }

    /// <summary>The roles its session was given for; null when it came by its own token, which is bound to none.</summary>
    public IReadOnlySet<string>? Roles { get; init; }

    /// <summary>The pod's namespace; null when the token is not from Kubernetes.</summary>
    public string? Namespace { get; } = Claims[KubernetesNamespace].FirstOrDefault();

    /// <summary>The service account's name; null when the token is not from Kubernetes.</summary>
    public string? ServiceAccount { get; } = Claims[KubernetesServiceAccount].FirstOrDefault();

    /// <summary>The pod's name when the token is bound to a pod; null otherwise.</summary>
    public string? Pod { get; } = Claims[KubernetesPod].FirstOrDefault();

    /// <summary>The node the pod runs on, where the cluster writes it (Kubernetes 1.32 and newer); null otherwise.</summary>
    public string? Node { get; } = Claims[KubernetesNode].FirstOrDefault();

    /// <summary>Whether its token is from Kubernetes, whose API server always writes the namespace.</summary>
    internal bool IsKubernetes { get; } = Claims.Contains(KubernetesNamespace);

    /// <summary>The pod's UID when the token is bound to a pod; null otherwise.</summary>
    public string? PodUid { get; } = Only(Claims[KubernetesPodUid]);

    /// <summary>The name for display: the pod's <c>namespace/name</c> when the token is bound to a pod, otherwise the subject.</summary>
    public string DisplayName { get; } =
        Claims[KubernetesPod].FirstOrDefault() is { } pod
            ? $"{Claims[KubernetesNamespace].FirstOrDefault()}/{pod}"
            : Subject;

    /// <summary>
    /// A 16-character fingerprint of issuer, subject and pod: the owner of holders. The same for every token of one pod (or,
    /// when tokens are not bound to pods, of one subject), different for any two others.
    /// </summary>
    public string OwnerHash { get; } = OwnerHashOf(Cluster ?? Issuer, Subject, Only(Claims[KubernetesPodUid]));

    /// <summary>A 16-character fingerprint of issuer and subject: one service account, one pipeline, one person.</summary>
    public string WorkloadHash { get; } = Fingerprint.Of("workload", 16, Cluster ?? Issuer, Subject);

    /// <summary>The <see cref="OwnerHash"/> of a pod, computed from what its cluster says.</summary>
    /// <param name="cluster">The cluster's name in holders' ids: the issuer's key unless configured otherwise.</param>
    /// <param name="space">The pod's namespace.</param>
    /// <param name="account">The name of its service account.</param>
    /// <param name="uid">Its UID.</param>
    public static string OwnerHashOfPod(string cluster, string space, string account, string uid) =>
        OwnerHashOf(cluster, $"system:serviceaccount:{space}:{account}", uid);

    private static string OwnerHashOf(string cluster, string subject, string? podUid) => Fingerprint.Of("owner", 16, cluster, subject, podUid);

    // A claim with two values is ambiguous and counts as missing.
    private static string? Only(IEnumerable<string> values)
    {
        string? only = null;
        foreach (var value in values)
        {
            if (only is not null) return null;
            only = value;
        }

        return only;
    }
}
