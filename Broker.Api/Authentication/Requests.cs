using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Audit;
using Broker.Core.Identity;
using Broker.Core.Leases;

namespace Broker.Api.Authentication;

/// <summary>What every endpoint behind authentication knows of its request.</summary>
internal static class Requests
{
    /// <summary>Who asks. Authorization has seen to it that there is somebody.</summary>
    public static Caller ProvenCaller(this HttpContext context) => context.GetProof()!.Value.Caller!;

    /// <summary>The keyed hash of the token that was sent, whether or not it proves anybody; null when none was.</summary>
    public static string? SentProofHash(this HttpContext context, ProofHasher hasher)
    {
        var token = context.Request.BearerToken();
        if (token.IsEmpty && context.AcceptsTokenAsPassword()) token = context.Request.BasicToken();
        return token.IsEmpty ? null : hasher.Hash(token.Span);
    }

    /// <summary>Where the request came from.</summary>
    public static Origin Origin(this HttpContext context) => new(RefusalWriter.TraceOf(context), context.Connection.RemoteIpAddress?.ToString());
}
