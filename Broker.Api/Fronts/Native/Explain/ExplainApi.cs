using System.Text.Json.Serialization;
using Broker.Api.Authentication;
using Broker.Api.Fronts.Native.Description;
using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Audit;
using Broker.Core.Model;

namespace Broker.Api.Fronts.Native.Explain;

/// <summary>The question to explain.</summary>
/// <param name="Token">The caller's token.</param>
/// <param name="Role">The role.</param>
public sealed record ExplainRequest(string? Token, string? Role);

[JsonSerializable(typeof(ExplainRequest))]
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, AllowDuplicateProperties = false)]
internal sealed partial class ExplainJson : JsonSerializerContext;

/// <summary><c>POST /api/v1/explain</c>.</summary>
public static class ExplainApi
{
    /// <summary>Maps it, for administrators: the answer shows what rules and tokens say.</summary>
    public static void MapExplain(this IEndpointRouteBuilder app) => app.MapPost("/api/v1/explain", ExplainAsync)
        .RequireAuthorization(Policies.Admin)
        .WithTags("Roles").WithName("Explain").WithSummary("Explains why a caller may or may not have a role.")
        .Accepts<ExplainRequest>("application/json")
        .Produces<ExplanationShape>().WithRefusals(RefusalCode.InvalidRequest, new(RefusalCode.NotAllowed, Detail: RequestGuard.NotListed));

    private static async Task ExplainAsync(Explainer explainer, RequestGuard guard, HttpContext context)
    {
        var (body, mistake) = await StrictJson.ReadAsync(context.Request, ExplainJson.Default.ExplainRequest, context.RequestAborted);
        mistake ??= string.IsNullOrEmpty(body!.Token) || string.IsNullOrEmpty(body.Role) ? "Send 'token', the caller's, and 'role'." : null;
        if (mistake is not null)
        {
            await guard.RefuseAsync(context, AuditAction.Explain, context.ProvenCaller(), body?.Role, new(RefusalCode.InvalidRequest, mistake));
            return;
        }

        var explained = await explainer.ExplainAsync(body!.Token!, body.Role!, ProofGate.FromOf(context), context.RequestAborted);
        if (await guard.RecordAsync(context, AuditAction.Explain, context.ProvenCaller(), body.Role, explained.Reason))
            await context.Response.WriteAsJsonAsync(explained, context.RequestAborted);
    }
}
