using Broker.Core.Catalog;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Broker.Api.Health;

/// <summary>The probes: the only addresses of the API that need no caller.</summary>
public static class HealthApi
{
    /// <summary>Maps them.</summary>
    public static void MapHealth(this IEndpointRouteBuilder app)
    {
        var health = app.MapGroup("/health").AllowAnonymous().WithTags("Health");
        health.MapGet("/live", Live).WithName("Live").WithSummary("The process runs.");
        health.MapGet("/ready", Ready).WithName("Ready").WithSummary("The replica takes requests.")
            .Produces<HealthShape>().Produces<HealthShape>(503);

        // Some probes send HEAD.
        health.MapMethods("/live", [HttpMethods.Head], Live).ExcludeFromDescription();
        health.MapMethods("/ready", [HttpMethods.Head], Ready).ExcludeFromDescription();
    }

    private static Ok<HealthShape> Live() => TypedResults.Ok(new HealthShape("live", null));

    private static IResult Ready(Readiness readiness, LiveCatalog catalog)
    {
        // After a refused reload the replica still serves with the old catalog: reported, but not a reason to take the replica out.
        var note = catalog.LastReload is { Errors.Count: > 0 and var errors } reload ? $"the configuration read at {reload.At:O} was refused because of {errors} mistakes; the previous one is in force" : readiness.Note;
        return readiness.Missing is { } missing
            ? TypedResults.Json(new HealthShape("not ready", missing), statusCode: 503)
            : TypedResults.Ok(new HealthShape("ready", note));
    }
}

/// <summary>The state of the replica.</summary>
/// <param name="Status">In a word.</param>
/// <param name="Note">What operators should know; usually null.</param>
public sealed record HealthShape(string Status, string? Note);
