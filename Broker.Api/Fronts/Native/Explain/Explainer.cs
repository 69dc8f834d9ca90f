using Broker.Api.Authentication;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Leases.Claims;
using Broker.Core.Limits;

namespace Broker.Api.Fronts.Native.Explain;

/// <summary>Why a caller may, or may not, have a role.</summary>
/// <param name="Proven">Whether the token proves a caller.</param>
/// <param name="Proof">Why not; null when it does.</param>
/// <param name="Caller">The caller that it proves; null when it proves none.</param>
/// <param name="Allowed">Whether the caller may have the role.</param>
/// <param name="Reason">In a sentence.</param>
/// <param name="Rules">The role's rules beside the caller's claims.</param>
public sealed record ExplanationShape(bool Proven, string? Proof, ExplainedCaller? Caller, bool Allowed, string Reason, IReadOnlyList<ExplainedRule> Rules);

/// <summary>A caller as it is explained.</summary>
/// <param name="Issuer">Who proved it.</param>
/// <param name="Subject">Its <c>sub</c>.</param>
/// <param name="PodUid">Its pod's UID; null: none.</param>
/// <param name="Session">Its session; null: none.</param>
/// <param name="Team">Its team; null: none.</param>
/// <param name="SpiffeId">The SPIFFE id of the certificate that it must also present; null: none.</param>
/// <param name="ExpiresAt">Its token's end.</param>
public sealed record ExplainedCaller(
    string Issuer, string Subject, string? PodUid, string? Session, string? Team, string? SpiffeId, DateTimeOffset ExpiresAt);

/// <summary>Explains.</summary>
internal sealed class Explainer(ProofGate gate, ICatalog catalog)
{
    /// <summary>Explains whether a token's caller may have a role.</summary>
    /// <param name="token">The token.</param>
    /// <param name="role">The role.</param>
    /// <param name="from">A key that stands for the address of whoever asks; empty: no address.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async Task<ExplanationShape> ExplainAsync(string token, string role, string from, CancellationToken cancellation)
    {
        var proof = await gate.ExamineAsync(token.AsMemory(), from, cancellation);
        if (proof.Caller is not { } caller)
            return new(false, proof.Failure!.Value.Describe(), null, false, "The token does not prove a caller.", []);
        var current = catalog.Current;
        var explanation = Explanation.Of(current, caller, role);
        return new(
            true, null,
            new(caller.Issuer, caller.Subject, caller.PodUid, caller.Session, CallerShares.TeamOf(current.Identity, caller)?.Name, caller.SpiffeId, caller.ExpiresAt),
            explanation.Allowed, explanation.Reason, explanation.Rules);
    }
}
