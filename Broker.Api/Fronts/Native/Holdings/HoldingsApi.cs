using System.Globalization;
using Broker.Api.Authentication;
using Broker.Api.Fronts.Native.Description;
using Broker.Api.Fronts.Native.Leases;
using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Audit;
using Broker.Core.Model;
using Broker.Core.Operators;
using Broker.Core.Operators.Holdings;

namespace Broker.Api.Fronts.Native.Holdings;

/// <summary>Who really has connections.</summary>
public static class HoldingsApi
{
    /// <summary>Maps it.</summary>
    public static void MapHoldings(this IEndpointRouteBuilder app)
    {
        app.MapGet("/api/v1/holders", ListAsync)
            .RequireAuthorization(Policies.Viewer).RecordReads()
            .WithTags("Holders").WithName("ListHolders").WithSummary("Who holds connections: what was granted, and what is open now. Searched, sorted, paged.")
            .Produces<HoldingsShape>()
            .WithRefusals(LeasesApi.NotListed, new(RefusalCode.InvalidRequest, Detail: new HoldingFilter { Sort = "" }.WhyNot()));
        app.MapGet("/api/v1/budgets/{database}/line", LineAsync)
            .RequireAuthorization(Policies.Viewer).RecordReads()
            .WithTags("Budgets").WithName("ListLine").WithSummary("Who waits in line for a database's connections: for how many, and until when.")
            .Produces<LineShape>()
            .WithRefusals(LeasesApi.NotListed, UnknownDatabase.Described);
        app.MapGet("/api/v1/budgets/{database}/others", OthersAsync)
            .RequireAuthorization(Policies.Viewer).RecordReads()
            .WithTags("Budgets").WithName("ListOthers").WithSummary("Who else has connections to a database: user, program and address.")
            .Produces<OthersShape>()
            .WithRefusals(LeasesApi.NotListed, UnknownDatabase.Described);
    }

    private static async Task ListAsync(
        string? database, string? search, string? @namespace, string? team, string? role, string? node, string? lease, string? over, string? sort, string? page, string? pageSize,
        HoldingDesk desk, RequestGuard guard, HttpContext context)
    {
        if (!TryRead(page, 1, out var number) | !TryRead(pageSize, 100, out var size))
        {
            await RefuseAsync("'page' and 'pageSize' must be numbers.");
            return;
        }

        if (over is not (null or "true" or "false"))
        {
            await RefuseAsync("'over' must be true or false.");
            return;
        }

        var filter = new HoldingFilter
        {
            Search = search ?? "",
            Namespace = Or(@namespace),
            Team = Or(team),
            Role = Or(role),
            Node = Or(node),
            Lease = Or(lease),
            OnlyOver = over == "true",
            Sort = Or(sort) ?? "ends",
            Page = number,
            PageSize = size,
        };
        if (filter.WhyNot() is { } mistake)
        {
            await RefuseAsync(mistake);
            return;
        }

        IReadOnlyList<DatabaseHoldings> read = [];
        if (Or(database) is not { } one) read = await desk.ReadAllAsync(context.RequestAborted);
        else if (await desk.ReadAsync(one, context.RequestAborted) is { } its) read = [its];
        else
        {
            await guard.RefuseUnknownDatabaseAsync(context, one);
            return;
        }

        var found = filter.Of(read.SelectMany(its => its.Holders));
        await context.Response.WriteAsJsonAsync(
            new HoldingsShape(
                found.Total, found.Page, found.Pages, [.. found.Holders.Select(HoldingShape.Of)],
                [.. read.Where(its => its.WhyUnseen is not null).Select(its => new HoldingsShape.UnseenShape(its.Database, its.WhyUnseen!))]),
            context.RequestAborted);

        async Task RefuseAsync(string what) =>
            await guard.RefuseAsync(context, AuditAction.Read, context.ProvenCaller(), null, new(RefusalCode.InvalidRequest, what));
    }

    private static async Task LineAsync(string database, BudgetDesk desk, RequestGuard guard, HttpContext context)
    {
        if (await desk.LineAsync(database, 1000, context.RequestAborted) is { } line)
            await context.Response.WriteAsJsonAsync(
                new LineShape(database, [.. line.Select(one => new LineShape.WaitingShape(one.Holder, one.Caller, one.Want, one.Least, one.Since, one.Until))]), context.RequestAborted);
        else
            await guard.RefuseUnknownDatabaseAsync(context, database);
    }

    private static async Task OthersAsync(string database, HoldingDesk desk, RequestGuard guard, HttpContext context)
    {
        if (await desk.ReadAsync(database, context.RequestAborted) is { } holdings)
            await context.Response.WriteAsJsonAsync(OthersShape.Of(holdings), context.RequestAborted);
        else
            await guard.RefuseUnknownDatabaseAsync(context, database);
    }

    private static bool TryRead(string? text, int otherwise, out int number)
    {
        number = otherwise;
        return string.IsNullOrEmpty(text) || int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
    }

    private static string? Or(string? text) => string.IsNullOrEmpty(text) ? null : text;
}
