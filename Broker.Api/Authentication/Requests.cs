using System.Diagnostics;
using Broker.Api.Authentication.Browser;
using Broker.Core.Audit;
using Broker.Core.Identity;
using Broker.Core.Leases;

namespace Broker.Api.Authentication;

/// <summary>What every endpoint behind authentication knows about its request.</summary>
internal static class Requests
{
    /// <summary>Who asks. Authorization guarantees that there is a caller.</summary>
    public static Caller ProvenCaller(this HttpContext context) => context.GetProof()!.Value.Caller!;

    /// <summary>The keyed hash of the token that was sent, whether or not it is valid; null when none was sent.</summary>
    public static string? SentProofHash(this HttpContext context, ProofHasher hasher)
    {
        var token = context.SentToken();
        return token.IsEmpty ? null : hasher.Hash(token.Span);
    }

    /// <summary>The token that was sent, in whichever way its endpoint accepts one.</summary>
    public static ReadOnlyMemory<char> SentToken(this HttpContext context)
    {
        var token = context.Request.BearerToken();
        return token.IsEmpty && context.Items[PageSignIn.Proof] is string cookie ? cookie.AsMemory() : token;
    }

    /// <summary>
    /// The token for operations that change something: once begun, they are completed and recorded even if the caller leaves in the middle (law L7). What they
    /// call has its own deadlines.
    /// </summary>
    public static CancellationToken ToItsEnd => CancellationToken.None;

    /// <summary>The trace a request belongs to, as told to callers and written into the audit.</summary>
    public static string TraceId(this HttpContext context) => Activity.Current?.TraceId.ToHexString() ?? context.TraceIdentifier;

    /// <summary>Where the request came from, and what proves its caller again.</summary>
    public static Origin Origin(this HttpContext context) =>
        new(context.TraceId(), context.Connection.RemoteIpAddress?.ToString()) { Proof = new RequestProof(context) };
}
