namespace Broker.Api.Authentication;

/// <summary>The request feature that holds who sent the request.</summary>
public static class ProofFeature
{
    /// <summary>Who sent the request, or why that is not known; null before authentication.</summary>
    public static Proof? GetProof(this HttpContext context) => context.Features.Get<Held>()?.Proof;

    internal static void SetProof(this HttpContext context, Proof proof) => context.Features.Set(new Held(proof));

    private sealed record Held(Proof Proof);
}
