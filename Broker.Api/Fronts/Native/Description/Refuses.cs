using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Model;
using Microsoft.AspNetCore.Http.Metadata;

namespace Broker.Api.Fronts.Native.Description;

/// <summary>A refusal that an endpoint may answer with.</summary>
/// <param name="Code">Its code.</param>
/// <param name="OtherStatus">The status when it is not the code's usual one.</param>
/// <param name="Detail">The detail to show as the example; null: the code's usual one.</param>
internal sealed record RefusedAs(RefusalCode Code, int? OtherStatus = null, string? Detail = null)
{
    public int Status => OtherStatus ?? RefusalStatus.Of(Code).Status;

    public static implicit operator RefusedAs(RefusalCode code) => new(code);
}

/// <summary>All refusals of an endpoint, for its description.</summary>
internal sealed record RefusesMetadata(IReadOnlyList<RefusedAs> Refusals);

/// <summary>Declares the refusals of an endpoint.</summary>
internal static class Refuses
{
    // Every endpoint needs a proven caller, a record in the audit, and the ledger.
    private static readonly RefusedAs[] Always = [RefusalCode.Unauthenticated, RefusalCode.LedgerUnavailable, RefusalCode.AuditUnavailable];

    /// <summary>The refusals that this endpoint answers with, besides those of every endpoint.</summary>
    public static TBuilder WithRefusals<TBuilder>(this TBuilder builder, params RefusedAs[] refusals)
        where TBuilder : IEndpointConventionBuilder
    {
        RefusedAs[] all = [.. Always, .. refusals];
        return builder.WithMetadata(
        [
            new RefusesMetadata(all),
            .. all.Select(refusal => refusal.Status).Distinct().Order().Select(status => new ProducesResponseTypeMetadata(status, typeof(ProblemShape), [RefusalWriter.ContentType])),
        ]);
    }
}
