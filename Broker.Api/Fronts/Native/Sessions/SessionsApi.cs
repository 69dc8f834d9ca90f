using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Broker.Api.Authentication;
using Broker.Api.Fronts.Native.Description;
using Broker.Api.Fronts.Native.Operators;
using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Model;
using Broker.Core.Sessions;

namespace Broker.Api.Fronts.Native.Sessions;

/// <summary>Sessions of pipelines, whose own tokens die while their jobs run.</summary>
public static class SessionsApi
{
    /// <summary>Maps them.</summary>
    public static void MapSessions(this IEndpointRouteBuilder app)
    {
        var sessions = app.MapGroup("/api/v1/sessions").WithTags("Sessions");
        sessions.MapPost("", OpenAsync)
            .WithName("OpenSession").WithSummary("Exchanges a pipeline's token, once, for a session that lives as long as its job.")
            .Accepts<SessionRequest>("application/json")
            .Produces<SessionShape>(201).WithRefusals(RefusalCode.InvalidRequest, RefusalCode.NotAllowed, RefusalCode.LimitExceeded);
        sessions.MapGet("/{id}", ReadAsync)
            .WithName("GetSession").WithSummary("Shows a session, without its token, to the session itself, to its pipeline and to viewers.")
            .Produces<SessionShape>().WithRefusals(RefusalCode.SessionUnknown);
        sessions.MapPost("/{id}/renew", RenewAsync)
            .WithName("RenewSession").WithSummary("Renews a session while its job runs. Sent with the session's own token.")
            .Produces<SessionShape>().WithRefusals(RefusalCode.SessionUnknown);
        sessions.MapDelete("/{id}", EndAsync)
            .WithName("EndSession").WithSummary("Ends a session on every replica within a second. An operator may end anybody's, with a reason.")
            .Accepts<OperatorsBody>("application/json")
            .Produces(204).WithRefusals(RefusalCode.InvalidRequest, RefusalCode.SessionUnknown);
    }

    private static async Task OpenAsync(SessionDesk desk, RequestGuard guard, HttpContext context)
    {
        var (body, mistake) = await StrictJson.ReadAsync(context.Request, SessionJson.Default.SessionRequest, context.RequestAborted);
        if (body is null)
        {
            await guard.RefuseAsync(context, AuditAction.Session, context.ProvenCaller(), null, new(RefusalCode.InvalidRequest, mistake!));
            return;
        }

        var outcome = await desk.OpenAsync(
            context.ProvenCaller(), SignedPartHash(context.Request.BearerToken().Span), body.Roles ?? [],
            body.LifetimeSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : null, context.Origin(), Requests.ToItsEnd);
        if (outcome.Session is { } session) context.Response.Headers.Location = $"/api/v1/sessions/{session.Id}";
        await AnswerAsync(context, outcome, StatusCodes.Status201Created);
    }

    private static async Task ReadAsync(string id, SessionDesk desk, RequestGuard guard, ICatalog catalog, HttpContext context)
    {
        var caller = context.ProvenCaller();
        var outcome = await desk.ReadAsync(caller, id, catalog.Current.Identity.Grants(caller, Policies.Viewer), context.RequestAborted);
        if (outcome.Refusal is { } refusal) await guard.RefuseAsync(context, AuditAction.Read, caller, null, refusal);
        else await AnswerAsync(context, outcome, StatusCodes.Status200OK);
    }

    private static async Task RenewAsync(string id, SessionDesk desk, HttpContext context) => await AnswerAsync(
        context, await desk.RenewAsync(context.ProvenCaller(), id, context.Origin(), Requests.ToItsEnd), StatusCodes.Status200OK);

    private static async Task EndAsync(string id, SessionDesk desk, RequestGuard guard, ICatalog catalog, HttpContext context)
    {
        var caller = context.ProvenCaller();
        string? reason = null;
        if (catalog.Current.Identity.Grants(caller, Policies.Operator)
            && (reason = await OperatorsBody.ReadReasonAsync(context, guard, AuditAction.Session, null)) is null) return;
        var outcome = await desk.RevokeAsync(caller, id, reason, context.Origin(), Requests.ToItsEnd);
        if (outcome.Refusal is { } refusal) await RefusalWriter.WriteAsync(context, refusal);
        else context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private static async Task AnswerAsync(HttpContext context, SessionOutcome outcome, int status)
    {
        if (outcome.Session is not { } session)
        {
            await RefusalWriter.WriteAsync(context, outcome.Refusal!);
            return;
        }

        context.Response.StatusCode = status;
        await context.Response.WriteAsJsonAsync(SessionShape.Of(session), context.RequestAborted);
    }

    // Without the signature: an ECDSA signature has an equally valid twin, which would make the same token look like another one.
    private static string SignedPartHash(ReadOnlySpan<char> token)
    {
        var end = token.LastIndexOf('.');
        return Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes(token[..(end < 0 ? token.Length : end)].ToString())));
    }
}
