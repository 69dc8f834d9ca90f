using Broker.Api.Authentication;
using Broker.Api.Fronts.Native.Description;
using Broker.Api.Fronts.Native.Leases;
using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Audit;
using Broker.Core.Model;
using Broker.Core.Operators;

namespace Broker.Api.Fronts.Native.Holdings;

/// <summary>How well a database suits users that come and go.</summary>
/// <param name="Database">The database.</param>
/// <param name="At">When it was examined.</param>
/// <param name="Unseen">Why it could not be examined, in the server's words; null when it was.</param>
/// <param name="Findings">What was found, the worst first.</param>
public sealed record FindingsShape(string Database, DateTimeOffset At, string? Unseen, IReadOnlyList<FindingsShape.FindingShape> Findings)
{
    /// <summary>What somebody should know.</summary>
    /// <param name="Kind"><c>critical</c>, <c>warning</c> or <c>notice</c>.</param>
    /// <param name="Title">What it is.</param>
    /// <param name="Words">The facts, and their consequences.</param>
    /// <param name="Sql">The SQL that fixes it; null when SQL cannot.</param>
    public sealed record FindingShape(string Kind, string Title, string Words, string? Sql);

    /// <summary>Of an examination.</summary>
    public static FindingsShape Of(DatabaseExamination examination) => new(
        examination.Database, examination.At, examination.WhyNot,
        [.. examination.Findings.Select(finding => new FindingShape(WireName.Of(finding.Kind), finding.Title, finding.Words, finding.Sql))]);
}

/// <summary>The findings about a database, for its DBA.</summary>
public static class FindingsApi
{
    /// <summary>Maps it.</summary>
    public static void MapFindings(this IEndpointRouteBuilder app) =>
        app.MapGet("/api/v1/budgets/{database}/findings", async (string database, ExaminationDesk desk, RequestGuard guard, HttpContext context) =>
            {
                if (await desk.ReadAsync(database, context.RequestAborted) is { } examination)
                    await context.Response.WriteAsJsonAsync(FindingsShape.Of(examination), context.RequestAborted);
                else
                    await guard.RefuseUnknownDatabaseAsync(context, database);
            })
            .RequireAuthorization(Policies.Viewer).RecordReads()
            .WithTags("Budgets").WithName("ListFindings").WithSummary("How well a database suits users that come and go: what a DBA should know, with the SQL that fixes it.")
            .Produces<FindingsShape>()
            .WithRefusals(LeasesApi.NotListed, UnknownDatabase.Described);
}
