using Broker.Api.Authentication;
using Broker.Api.Fronts.Native.Description;
using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Operators;

namespace Broker.Api.Fronts.Native.Leases;

/// <summary>What is due, and what keeps failing.</summary>
public static class DutiesApi
{
    /// <summary>Maps it.</summary>
    public static void MapDuties(this IEndpointRouteBuilder app) =>
        app.MapGet("/api/v1/duties", async (DutyDesk desk, CancellationToken cancellation) =>
                new DutiesShape([.. (await desk.ListAsync(cancellation)).Select(DutyShape.Of)]))
            .RequireAuthorization(Policies.Viewer).RecordReads()
            .WithTags("Duties").WithName("ListDuties").WithSummary("Duties: those that fail first, then those due first.")
            .WithRefusals(LeasesApi.NotListed);
}

/// <summary>A duty.</summary>
/// <param name="Name">Its kind and subject, e.g. <c>renew:LEASE</c>.</param>
/// <param name="Database">Its database; null for those of issuers.</param>
/// <param name="DueAt">When it is due.</param>
/// <param name="UnderWay">Whether a replica is doing it.</param>
/// <param name="Failing">Whether it failed several times in a row: somebody should look.</param>
/// <param name="Failures">How often it failed in a row.</param>
/// <param name="FailingSince">Since when.</param>
/// <param name="Why">The last failure.</param>
public sealed record DutyShape(
    string Name, string? Database, DateTimeOffset DueAt, bool UnderWay, bool Failing, int Failures, DateTimeOffset? FailingSince, string? Why)
{
    /// <summary>Of a duty.</summary>
    public static DutyShape Of(Duty duty) => new(
        duty.Record.Name, duty.Database, duty.Record.DueAt, duty.Record.UnderWay, duty.IsFailing, duty.Record.Failures, duty.Record.FailingSince,
        duty.Record.Why.Length > 0 ? duty.Record.Why : null);
}

/// <summary>All duties.</summary>
public sealed record DutiesShape(IReadOnlyList<DutyShape> Duties);
