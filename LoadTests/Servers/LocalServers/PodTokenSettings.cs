namespace LoadTests.Servers.LocalServers;

/// <summary>What a pod's token says, and how it is signed.</summary>
public sealed record PodTokenSettings
{
    /// <summary>The pod's namespace; default <c>orders</c>.</summary>
    public string Namespace { get; init; } = "orders";

    /// <summary>The pod's service account; default <c>orders-api</c>.</summary>
    public string ServiceAccount { get; init; } = "orders-api";

    /// <summary>The token's audience; default <c>broker</c>.</summary>
    public IReadOnlyList<string> Audience { get; init; } = ["broker"];

    /// <summary>How long it is valid, from now; zero or less: it expired that long ago. Default one hour.</summary>
    public TimeSpan Lifetime { get; init; } = TimeSpan.FromHours(1);

    /// <summary>How it is signed.</summary>
    public TokenSignature Signature { get; init; }
}

/// <summary>How a token is signed.</summary>
public enum TokenSignature
{
    /// <summary>With the issuer's key.</summary>
    Good,

    /// <summary>With an unknown key, under the name of the issuer's key.</summary>
    ForeignKey,

    /// <summary>Not at all: <c>alg: none</c>.</summary>
    None,
}
