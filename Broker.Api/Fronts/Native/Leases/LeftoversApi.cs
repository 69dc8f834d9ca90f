using Broker.Api.Authentication;
using Broker.Api.Fronts.Native.Description;
using Broker.Api.Fronts.Native.Operators;
using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Audit;
using Broker.Core.Leases;
using Broker.Core.Model;
using Broker.Core.Operators;

namespace Broker.Api.Fronts.Native.Leases;

/// <summary>Database users that look like the broker's but belong to no known lease.</summary>
public static class LeftoversApi
{
    /// <summary>Maps it.</summary>
    public static void MapLeftovers(this IEndpointRouteBuilder app)
    {
        var leftovers = app.MapGroup("/api/v1/leftovers").WithTags("Leftovers");
        leftovers.MapGet("", async (string? database, LeftoverDesk desk, CancellationToken cancellation) =>
                new LeftoversShape(await desk.ListAsync(database, cancellation)))
            .RequireAuthorization(Policies.Viewer)
            .RecordReads()
            .WithName("ListLeftovers").WithSummary("Users that look like the broker's and that no lease knows, oldest first.")
            .WithRefusals(LeasesApi.NotListed);
        leftovers.MapDelete("/{database}/{username}", async (string database, string username, LeftoverDesk desk, RequestGuard guard, HttpContext context) =>
            {
                if (await OperatorsBody.ReadReasonAsync(context, guard, AuditAction.Revoke, null) is not { } reason) return;
                if (await desk.DropAsync(context.ProvenCaller(), database, username, reason, context.Origin(), Requests.ToItsEnd) is { } refusal)
                    await RefusalWriter.WriteAsync(context, refusal);
                else
                    context.Response.StatusCode = StatusCodes.Status204NoContent;
            })
            .RequireAuthorization(Policies.Operator)
            .WithName("DropLeftover").WithSummary("Ends a leftover's sessions and drops it, if still no lease knows it. Needs a reason.")
            .Accepts<OperatorsBody>("application/json")
            .Produces(204).WithRefusals(LeasesApi.NotListed, RefusalCode.LeaseUnknown, RefusalCode.DatabaseUnavailable, new(RefusalCode.InvalidRequest, Detail: OperatorsBody.NoReason));
    }
}

/// <summary>All leftovers.</summary>
public sealed record LeftoversShape(IReadOnlyList<Leftover> Leftovers);
