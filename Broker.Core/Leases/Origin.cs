using Broker.Core.Identity;

namespace Broker.Core.Leases;

/// <summary>Where a request came from, for the audit.</summary>
/// <param name="TraceId">The W3C trace id of the request.</param>
/// <param name="Address">The client's address; null when it is not known.</param>
public sealed record Origin(string TraceId, string? Address)
{
    /// <summary>Proves its caller again; null: nothing can, and what was proven when it came holds to its end.</summary>
    public IStandingProof? Proof { get; init; }
}
