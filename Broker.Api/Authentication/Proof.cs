using Broker.Core.Identity;

namespace Broker.Api.Authentication;

/// <summary>Who asks, or why that is not known: one of the two.</summary>
public readonly record struct Proof
{
    private readonly ProofFailure failure;

    /// <summary>A proven caller.</summary>
    public Proof(Caller caller) => Caller = caller;

    /// <summary>No proven caller.</summary>
    public Proof(ProofFailure failure) => this.failure = failure;

    /// <summary>Who asks; null when nobody is proven.</summary>
    public Caller? Caller { get; }

    /// <summary>Why nobody is proven; null when somebody is.</summary>
    public ProofFailure? Failure => Caller is null ? failure : null;
}
