using Broker.Api.Authentication;
using Broker.Api.Fronts.Native.Description;
using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Leases.Shadow;

namespace Broker.Api.Fronts.Native.Leases;

/// <summary>What sharing would have saved while the broker only observed.</summary>
public static class ShadowApi
{
    /// <summary>Maps it.</summary>
    public static void MapShadow(this IEndpointRouteBuilder app) =>
        app.MapGet("/api/v1/shadow", async (ShadowDesk desk, CancellationToken cancellation) => new ShadowShape(await desk.ReportAsync(cancellation)))
            .RequireAuthorization(Policies.Viewer).RecordReads()
            .WithTags("Leases").WithName("GetShadow").WithSummary("Shadow mode: the users, leases and connections that sharing would have saved, by path.")
            .WithRefusals(LeasesApi.NotListed);
}

/// <summary>The report of shadow mode.</summary>
public sealed record ShadowShape(IReadOnlyList<ShadowRow> Paths);
