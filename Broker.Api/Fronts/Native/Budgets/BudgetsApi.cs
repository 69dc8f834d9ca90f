using Broker.Api.Authentication;
using Broker.Api.Fronts.Native.Description;
using Broker.Api.Fronts.Native.Operators;
using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Budgets;
using Broker.Core.Catalog;
using Broker.Core.Leases;
using Broker.Core.Model;
using Broker.Core.Operators;

namespace Broker.Api.Fronts.Native.Budgets;

/// <summary>The DBA's view.</summary>
public static class BudgetsApi
{

    /// <summary>Maps it.</summary>
    public static void MapBudgets(this IEndpointRouteBuilder app)
    {
        var budgets = app.MapGroup("/api/v1/budgets").WithTags("Budgets").RequireAuthorization(Policies.Viewer);
        budgets.MapGet("", async (BudgetDesk board, CancellationToken cancellation) =>
                new BudgetsShape([.. (await board.ReadAllAsync(cancellation)).Select(BudgetShape.Of)]))
            .WithName("ListBudgets").WithSummary("The connections of every database.")
            .WithRefusals(new RefusedAs(RefusalCode.NotAllowed, Detail: RequestGuard.NotListed));
        budgets.MapGet("/{database}", async (string database, BudgetDesk board, RequestGuard guard, HttpContext context) =>
            {
                if (await board.ReadAsync(database, context.RequestAborted) is { } budget)
                    await context.Response.WriteAsJsonAsync(BudgetShape.Of(budget), context.RequestAborted);
                else
                    await guard.RefuseUnknownDatabaseAsync(context, database);
            })
            .WithName("GetBudget").WithSummary("The connections of one database.")
            .Produces<BudgetShape>()
            .WithRefusals(new(RefusalCode.NotAllowed, Detail: RequestGuard.NotListed), UnknownDatabase.Described);
        budgets.MapPost("/{database}/forecast", ForecastAsync)
            .WithName("Forecast").WithSummary("Forecasts a rollout: whether it fits, and what is missing. Changes nothing.")
            .Accepts<ForecastBody>("application/json")
            .Produces<ForecastShape>()
            .WithRefusals(new(RefusalCode.NotAllowed, Detail: RequestGuard.NotListed), UnknownDatabase.Described, RefusalCode.InvalidRequest);
        app.MapPut("/api/v1/budgets/{database}/ceiling", SetCeilingAsync)
            .RequireAuthorization(Policies.Operator)
            .WithTags("Budgets").WithName("SetCeiling")
            .WithSummary("Overrides the configured ceiling, or restores it (null). Needs a reason.")
            .Accepts<CeilingBody>("application/json")
            .Produces(202).WithRefusals(new(RefusalCode.NotAllowed, Detail: RequestGuard.NotListed), new(RefusalCode.InvalidRequest, Detail: OperatorsBody.NoReason));
    }

    private static async Task ForecastAsync(string database, BudgetDesk board, ICatalog catalog, RequestGuard guard, HttpContext context)
    {
        var (body, mistake) = await StrictJson.ReadAsync(context.Request, ForecastJson.Default.ForecastBody, context.RequestAborted);
        mistake ??= body!.WhyNot();
        Role? role = null;
        if (mistake is null && body!.Role is { } name && !(catalog.Current.Roles.TryGetValue(name, out role) && role.Database == database))
            mistake = $"There is no role '{name}' on database '{database}'.";
        if (mistake is not null)
        {
            await guard.RefuseAsync(context, Core.Audit.AuditAction.Read, context.ProvenCaller(), body?.Role, new(RefusalCode.InvalidRequest, mistake));
            return;
        }

        var surge = body!.Surge ?? PlannedRollout.SurgeOf(body.Pods, body.SurgePercent ?? role?.Connections.SurgePercent ?? PlannedRollout.UsualSurgePercent);
        var rollout = new PlannedRollout(body.Pods, body.ConnectionsPerPod, surge);
        if (await board.ForecastAsync(database, rollout, role?.Name, body.TimeOfDay, context.RequestAborted) is { } found)
        {
            await context.Response.WriteAsJsonAsync(ForecastShape.Of(rollout, found), context.RequestAborted);
        }
        else
        {
            await guard.RefuseUnknownDatabaseAsync(context, database);
        }
    }

    private static async Task SetCeilingAsync(string database, CeilingDesk desk, RequestGuard guard, HttpContext context)
    {
        var (body, mistake) = await StrictJson.ReadAsync(context.Request, OperatorsJson.Default.CeilingBody, context.RequestAborted);
        mistake ??= OperatorsBody.WhyNoReason(body!.Reason) ?? (body.Ceiling < 0 ? "'ceiling' must be a number of connections, 0 or more, or null." : null);
        if (mistake is not null)
        {
            await guard.RefuseAsync(context, Core.Audit.AuditAction.Ceiling, context.ProvenCaller(), null, new(RefusalCode.InvalidRequest, mistake));
            return;
        }

        if (await desk.SetAsync(context.ProvenCaller(), database, body!.Ceiling, body.Reason!, context.Origin(), Requests.ToItsEnd) is { } refusal)
            await RefusalWriter.WriteAsync(context, refusal);
        else
            context.Response.StatusCode = StatusCodes.Status202Accepted;
    }
}
