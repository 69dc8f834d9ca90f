using Broker.Api.Problems;
using Broker.Core.Identity;
using Broker.Core.Leases;

namespace Broker.Api.Authentication;

/// <summary>What every endpoint behind authentication knows of its request.</summary>
internal static class Requests
{
    /// <summary>Who asks. Authorization has seen to it that there is somebody.</summary>
    public static Caller ProvenCaller(this HttpContext context) => context.GetProof()!.Value.Caller!;

    /// <summary>Where the request came from.</summary>
    public static Origin Origin(this HttpContext context) => new(RefusalWriter.TraceOf(context), context.Connection.RemoteIpAddress?.ToString());
}
