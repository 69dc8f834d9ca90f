using System.ComponentModel;
using Broker.Api.Authentication;
using Broker.Api.Fronts.Native.Credentials;
using Broker.Api.Fronts.Native.Description;
using Broker.Api.Fronts.Native.Operators;
using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Audit;
using Broker.Core.Leases;
using Broker.Core.Leases.Holders;
using Broker.Core.Model;

namespace Broker.Api.Fronts.Native.Holders;

/// <summary>The calls of a holder after it has been given its lease.</summary>
public static class HoldersApi
{
    private const string LeaseInUse = "The id of the lease in use. A holder that has been given another lease and did not receive that answer is told again to move.";

    private const string AllotmentInUse =
        "The allotment in use: the one from the last answer whose connections the holder keeps to; 0 if there was none yet. A holder that sends it follows sizes: it may be given more connections, and be asked to go down to fewer. Sending an answer's allotment confirms that no more than that answer's connections are open.";

    /// <summary>Maps renew, watch and release.</summary>
    public static void MapHolders(this IEndpointRouteBuilder app)
    {
        var holders = app.MapGroup("/api/v1/holders/{id}").WithTags("Holders");
        holders.MapPost("/renew", RenewAsync)
            .WithName("RenewHolder")
            .WithSummary("Renews a holder. The answer may be rotate: true, with new credentials to move to.")
            .Produces<RenewalShape>()
            .WithRefusals(
                RefusalCode.NotAllowed, RefusalCode.HolderUnknown, RefusalCode.IssueThrottled, RefusalCode.LoginFailed, RefusalCode.BudgetExhausted,
                RefusalCode.RolePaused, RefusalCode.IssuerUnavailable, RefusalCode.DatabaseUnavailable);
        holders.MapGet("/watch", WatchAsync)
            .WithName("WatchHolder")
            .WithSummary("Streams server-sent events: renewed, rotate and resize (as renew answers), and ending. The holder is renewed while the stream is open.")
            .Produces<RenewalShape>(200, HolderEventWriter.ContentType)
            .WithRefusals(RefusalCode.NotAllowed, RefusalCode.HolderUnknown);
        holders.MapDelete("", ReleaseAsync)
            .WithName("ReleaseHolder")
            .WithSummary("Releases a holder: its connections become free at once.")
            .Produces(204).WithRefusals(RefusalCode.NotAllowed, RefusalCode.HolderUnknown);
        holders.MapPost("/end", EndAsync)
            .RequireAuthorization(Policies.Operator)
            .WithName("EndHolder")
            .WithSummary("Ends any caller's holder: its connections become free at once. Needs a reason.")
            .Accepts<OperatorsBody>("application/json")
            .Produces(204).WithRefusals(new(RefusalCode.NotAllowed, Detail: RequestGuard.NotListed), RefusalCode.HolderUnknown, new(RefusalCode.InvalidRequest, Detail: OperatorsBody.NoReason));
    }

    private static async Task EndAsync(string id, HolderDesk desk, RequestGuard guard, HttpContext context)
    {
        if (await OperatorsBody.ReadReasonAsync(context, guard, AuditAction.End, null) is not { } reason) return;
        if (await desk.EndAsync(context.ProvenCaller(), id, reason, context.Origin(), Requests.ToItsEnd) is { } refusal)
            await RefusalWriter.WriteAsync(context, refusal);
        else
            context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private static async Task RenewAsync(string id, [Description(LeaseInUse)] string? lease, [Description(AllotmentInUse)] long? allotment, HolderDesk desk, HttpContext context)
    {
        var outcome = await desk.RenewAsync(context.ProvenCaller(), id, context.Origin(), context.RequestAborted, lease, allotment);
        if (outcome.Grant is { } grant) GrantWriter.WriteRenewal(context.Response, grant);
        else await RefusalWriter.WriteAsync(context, outcome.Refusal!);
    }

    private static async Task WatchAsync(string id, [Description(LeaseInUse)] string? lease, [Description(AllotmentInUse)] long? allotment, HolderWatch watch, TimeProvider time, HttpContext context)
    {
        await using var proof = new StandingProof(context, time);
        await using var events = watch.WatchAsync(context.ProvenCaller(), id, lease, context.Origin(), proof.Token, allotment).GetAsyncEnumerator(proof.Token);
        if (!await events.MoveNextAsync())
        {
            // This replica is about to stop: the end of the stream makes the watcher connect to another one.
            context.Response.ContentType = HolderEventWriter.ContentType;
            return;
        }

        // An unknown holder gets a plain refusal, not a stream that ends at once.
        if (events.Current is HolderEvent.Ending unknown)
        {
            await RefusalWriter.WriteAsync(context, unknown.Refusal);
            return;
        }

        var writer = new HolderEventWriter(context);
        do await writer.WriteAsync(events.Current);
        while (await events.MoveNextAsync());
    }

    private static async Task ReleaseAsync(string id, HolderDesk desk, HttpContext context)
    {
        if (await desk.ReleaseAsync(context.ProvenCaller(), id, context.Origin(), Requests.ToItsEnd) is { } refusal)
            await RefusalWriter.WriteAsync(context, refusal);
        else
            context.Response.StatusCode = StatusCodes.Status204NoContent;
    }
}
