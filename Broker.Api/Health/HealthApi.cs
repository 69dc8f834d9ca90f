using Broker.Core.Catalog;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Broker.Api.Health;

/// <summary>The probes: the only addresses that answer anybody.</summary>
public static class HealthApi
{
    /// <summary>Maps them.</summary>
    public static void MapHealth(this IEndpointRouteBuilder app)
    {
        var health = app.MapGroup("/health").AllowAnonymous().WithTags("Health");
        health.MapGet("/live", Live).WithName("Live").WithSummary("The process runs.");
        health.MapGet("/ready", Ready).WithName("Ready").WithSummary("The replica takes requests.")
            .Produces<HealthShape>().Produces<HealthShape>(503);

        // Some probes ask for the head alone.
        health.MapMethods("/live", [HttpMethods.Head], Live).ExcludeFromDescription();
        health.MapMethods("/ready", [HttpMethods.Head], Ready).ExcludeFromDescription();
    }

    private static Ok<HealthShape> Live() => TypedResults.Ok(new HealthShape("live", null));

    private static IResult Ready(Readiness readiness, LiveCatalog catalog)
    {
        // A refused reload leaves the replica able to serve by the old catalog: said, but no reason to take it away.
        var note = catalog.LastReload is { Errors.Count: > 0 and var errors } reload ? $"the configuration read at {reload.At:O} was refused because of {errors} mistakes; the previous one is in force" : readiness.Note;
        return readiness.Missing is { } missing
            ? TypedResults.Json(new HealthShape("not ready", missing), statusCode: 503)
            : TypedResults.Ok(new HealthShape("ready", note));
    }
}

/// <summary>How the replica is.</summary>
/// <param name="Status">In a word.</param>
/// <param name="Note">What is to be known; null mostly.</param>
public sealed record HealthShape(string Status, string? Note);
