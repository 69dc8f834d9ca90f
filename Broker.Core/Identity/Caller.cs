namespace Broker.Core.Identity;

/// <summary>Who asks, proven: what a valid token said. Made only by what verified the token's signature.</summary>
/// <param name="Issuer">The key of the identity issuer that proved it.</param>
/// <param name="Subject">The token's <c>sub</c>.</param>
/// <param name="Claims">The token's claims, flattened: <c>kubernetes.io/namespace</c>; an array gives several values.</param>
/// <param name="ExpiresAt">The token's end.</param>
public sealed record Caller(
    string Issuer,
    string Subject,
    ILookup<string, string> Claims,
    DateTimeOffset ExpiresAt)
{
    /// <summary>The pod's UID when the token is bound to a pod; null otherwise.</summary>
    public string? PodUid { get; } = Claims["kubernetes.io/pod/uid"].FirstOrDefault();

    /// <summary>For people: the pod's <c>namespace/name</c> when the token is bound to a pod, else the subject.</summary>
    public string DisplayName { get; } =
        Claims["kubernetes.io/pod/name"].FirstOrDefault() is { } pod
            ? $"{Claims["kubernetes.io/namespace"].FirstOrDefault()}/{pod}"
            : Subject;
}
