using Broker.Api.Authentication;
using Broker.Api.Credentials;
using Broker.Api.Description;
using Broker.Api.Problems;
using Broker.Core.Leases;
using Broker.Core.Words;

namespace Broker.Api.Holders;

/// <summary>What a holder says after it was given its lease.</summary>
public static class HoldersApi
{
    /// <summary>Maps renew and release.</summary>
    public static void MapHolders(this IEndpointRouteBuilder app)
    {
        var holders = app.MapGroup("/api/v1/holders/{id}").WithTags("Holders");
        holders.MapPost("/renew", RenewAsync)
            .WithName("RenewHolder")
            .WithSummary("Still here. May answer rotate: true with new credentials to move to.")
            .Produces<RenewalShape>()
            .WithRefusals(
                RefusalCode.NotAllowed, RefusalCode.HolderUnknown, RefusalCode.IssueThrottled, RefusalCode.LoginFailed, RefusalCode.BudgetExhausted,
                RefusalCode.IssuerUnavailable, RefusalCode.DatabaseUnavailable);
        holders.MapDelete("", ReleaseAsync)
            .WithName("ReleaseHolder")
            .WithSummary("Gone: its connections come free at once.")
            .Produces(204).WithRefusals(RefusalCode.NotAllowed, RefusalCode.HolderUnknown);
    }

    private static async Task RenewAsync(string id, HolderDesk desk, HttpContext context)
    {
        var outcome = await desk.RenewAsync(context.ProvenCaller(), id, context.Origin(), context.RequestAborted);
        await (outcome.Grant is { } grant ? GrantWriter.WriteRenewalAsync(context, grant) : RefusalWriter.WriteAsync(context, outcome.Refusal!));
    }

    private static async Task ReleaseAsync(string id, HolderDesk desk, HttpContext context)
    {
        if (await desk.ReleaseAsync(context.ProvenCaller(), id, context.Origin(), context.RequestAborted) is { } refusal)
            await RefusalWriter.WriteAsync(context, refusal);
        else
            context.Response.StatusCode = StatusCodes.Status204NoContent;
    }
}
