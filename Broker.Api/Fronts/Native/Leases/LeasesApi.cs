using Broker.Api.Authentication;
using Broker.Api.Fronts.Native.Description;
using Broker.Api.Fronts.Native.Operators;
using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Audit;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Broker.Core.Operators;

namespace Broker.Api.Fronts.Native.Leases;

/// <summary>What operators see and do about leases.</summary>
public static class LeasesApi
{
    internal static readonly RefusedAs NotListed = new(RefusalCode.NotAllowed, Detail: RequestGuard.NotListed);

    /// <summary>Maps it.</summary>
    public static void MapLeases(this IEndpointRouteBuilder app)
    {
        var leases = app.MapGroup("/api/v1/leases").WithTags("Leases");
        var reading = leases.MapGroup("").RequireAuthorization(Policies.Viewer);
        reading.MapGet("", async (string? database, LeaseDesk desk, CancellationToken cancellation) =>
                new LeasesShape(LeaseShape.Of(await desk.ListAsync(database, cancellation))))
            .RecordReads()
            .WithName("ListLeases").WithSummary("The leases, oldest first.").WithRefusals(NotListed);
        reading.MapGet("/{id}", ReadAsync)
            .WithName("GetLease").WithSummary("One lease and its holders.")
            .Produces<LeaseWithHoldersShape>().WithRefusals(NotListed, RefusalCode.LeaseUnknown);
        leases.MapPost("/{id}/revoke", async (string id, LeaseDesk desk, RequestGuard guard, HttpContext context) =>
            {
                if (await OperatorsBody.ReadReasonAsync(context, guard, AuditAction.Revoke, null) is { } reason)
                    await AnswerAsync(context, await desk.RevokeAsync(context.ProvenCaller(), id, reason, context.Origin(), Requests.ToItsEnd));
            })
            .RequireAuthorization(Policies.Operator)
            .WithName("RevokeLease").WithSummary("Ends a lease now, whoever holds it. Answers before its user is dropped. Needs a reason.")
            .Accepts<OperatorsBody>("application/json")
            .Produces(202).WithRefusals(NotListed, RefusalCode.LeaseUnknown, new(RefusalCode.InvalidRequest, Detail: OperatorsBody.NoReason));
        app.MapPost("/api/v1/roles/{role}/rotate", async (string role, LeaseDesk desk, RequestGuard guard, HttpContext context) =>
            {
                if (await OperatorsBody.ReadReasonAsync(context, guard, AuditAction.Rotate, role) is { } reason)
                    await AnswerAsync(context, await desk.RotateAsync(context.ProvenCaller(), role, reason, context.Origin(), Requests.ToItsEnd));
            })
            .RequireAuthorization(Policies.Operator)
            .WithTags("Roles").WithName("RotateRole").WithSummary("Gives the role's next claims and renewals a new lease. Needs a reason.")
            .Accepts<OperatorsBody>("application/json")
            .Produces(202).WithRefusals(RefusalCode.NotAllowed, RefusalCode.IssuerUnavailable, new(RefusalCode.InvalidRequest, Detail: OperatorsBody.NoReason));
        foreach (var (verb, state, summary) in new[]
        {
            ("pause", RoleState.Paused, "Stops granting the role to new holders; current holders keep it and renew. In force when the answer arrives. Needs a reason, which callers are told."),
            ("drain", RoleState.Draining, "Stops granting the role to new holders and gives its holders no more time: it is empty when the last holder has ended. Needs a reason, which callers are told."),
            ("resume", RoleState.Open, "Lets a paused or drained role be granted again. Needs a reason."),
        })
        {
            app.MapPost($"/api/v1/roles/{{role}}/{verb}", (string role, PauseDesk desk, RequestGuard guard, HttpContext context) => OrderAsync(role, state, desk, guard, context))
                .RequireAuthorization(Policies.Operator)
                .WithTags("Roles").WithName(char.ToUpperInvariant(verb[0]) + verb[1..] + "Role").WithSummary(summary)
                .Accepts<OperatorsBody>("application/json")
                .Produces(204).WithRefusals(RefusalCode.NotAllowed, new(RefusalCode.InvalidRequest, Detail: OperatorsBody.NoReason));
        }
    }

    private static async Task OrderAsync(string role, RoleState state, PauseDesk desk, RequestGuard guard, HttpContext context)
    {
        if (await OperatorsBody.ReadReasonAsync(context, guard, AuditAction.Pause, role) is not { } reason) return;
        if (await desk.SetAsync(context.ProvenCaller(), role, state, reason, context.Origin(), Requests.ToItsEnd) is { } refusal)
            await RefusalWriter.WriteAsync(context, refusal);
        else
            context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private static async Task ReadAsync(string id, LeaseDesk desk, RequestGuard guard, HttpContext context)
    {
        if (await desk.FindAsync(id, context.RequestAborted) is var (lease, holders))
        {
            if (await guard.RecordAsync(context, AuditAction.Read, context.ProvenCaller(), lease.Role, $"GET {ShownPath.Of(context.Request)}"))
                await context.Response.WriteAsJsonAsync(LeaseWithHoldersShape.Of(lease, holders), context.RequestAborted);
        }
        else
            await guard.RefuseAsync(context, AuditAction.Read, context.ProvenCaller(), null,
                new(RefusalCode.LeaseUnknown, "There is no such lease. GET /api/v1/leases lists all leases."));
    }

    private static async Task AnswerAsync(HttpContext context, Refusal? refusal)
    {
        if (refusal is not null) await RefusalWriter.WriteAsync(context, refusal);
        else context.Response.StatusCode = StatusCodes.Status202Accepted;
    }
}
