using Broker.Api.Authentication;
using Broker.Api.Fronts.Native.Description;
using Broker.Api.Fronts.Native.Leases;
using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Audit;
using Broker.Core.Leases.History;
using Broker.Core.Model;

namespace Broker.Api.Fronts.Native.History;

/// <summary>The history of a database's connections.</summary>
public static class HistoryApi
{
    /// <summary>Maps it.</summary>
    public static void MapHistory(this IEndpointRouteBuilder app) =>
        app.MapGet("/api/v1/budgets/{database}/history", ReadAsync)
            .RequireAuthorization(Policies.Viewer).RecordReads()
            .WithTags("Budgets").WithName("GetHistory").WithSummary("A database's connections over an hour, six, a day or a week; peaks by role, time to full, and who was refused what.")
            .Produces<HistoryShape>()
            .WithRefusals(LeasesApi.NotListed, new(RefusalCode.InvalidRequest, Detail: HistoryShape.NoSuchSpan), UnknownDatabase.Described);

    private static async Task ReadAsync(string database, string? span, HistoryDesk desk, RequestGuard guard, HttpContext context)
    {
        if (!HistoryShape.Spans.TryGetValue(string.IsNullOrEmpty(span) ? "6h" : span, out var known))
            await guard.RefuseAsync(context, AuditAction.Read, context.ProvenCaller(), null, new(RefusalCode.InvalidRequest, HistoryShape.NoSuchSpan));
        else if (await desk.ReadAsync(database, known, context.RequestAborted) is { } history)
            await context.Response.WriteAsJsonAsync(HistoryShape.Of(history), context.RequestAborted);
        else
            await guard.RefuseUnknownDatabaseAsync(context, database);
    }
}
