using Broker.Api.Authentication;
using Broker.Api.Fronts.Native.Description;
using Broker.Api.Fronts.Native.Leases;
using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Operators.Indicators;

namespace Broker.Api.Fronts.Native.Indicators;

/// <summary>Whether the service meets its objectives.</summary>
public static class IndicatorsApi
{
    /// <summary>Maps it.</summary>
    public static void MapIndicators(this IEndpointRouteBuilder app) =>
        app.MapGet("/api/v1/indicators", async (IndicatorDesk desk, CancellationToken cancellation) => new IndicatorsShape(await desk.ReadAsync(cancellation)))
            .RequireAuthorization(Policies.Viewer).RecordReads()
            .WithTags("Indicators").WithName("ListIndicators").WithSummary("The seven indicators with their objectives: latency, authentication, availability and audit as this replica saw them in the last hour.")
            .WithRefusals(LeasesApi.NotListed);
}

/// <summary>All of them.</summary>
public sealed record IndicatorsShape(IReadOnlyList<Indicator> Indicators);
