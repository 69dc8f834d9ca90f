using System.Diagnostics;

namespace Broker.Api.Telemetry;

/// <summary>
/// Gives each request an id where nothing traces it: the trace that its <c>traceparent</c> names (https://www.w3.org/TR/trace-context/), else a new one.
/// ASP.NET Core would otherwise create a span for each request that nobody exports (<see cref="Starting.LogLevels"/>).
/// </summary>
internal static class TraceIds
{
    /// <summary>Sets the request's <see cref="HttpContext.TraceIdentifier"/>.</summary>
    public static void Give(HttpContext context)
    {
        if (Activity.Current is null)
            context.TraceIdentifier = (OfCaller(context.Request.Headers.TraceParent) ?? ActivityTraceId.CreateRandom()).ToHexString();
    }

    private static ActivityTraceId? OfCaller(string? traceparent) =>
        traceparent is not null && ActivityContext.TryParse(traceparent, null, out var caller) && caller.TraceId != default ? caller.TraceId : null;
}
