using Broker.Core.Identity;

namespace Broker.Core.Leases;

/// <summary>Where a request came from, for the audit.</summary>
/// <param name="TraceId">The W3C trace id of the request.</param>
/// <param name="Address">The client's address; null when it is not known.</param>
public sealed record Origin(string TraceId, string? Address)
{
    /// <summary>Proves its caller again; null when that is impossible, so that the first proof counts until the end of the request.</summary>
    public IStandingProof? Proof { get; init; }
}
