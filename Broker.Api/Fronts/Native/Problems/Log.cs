namespace Broker.Api.Fronts.Native.Problems;

/// <summary>Events 4000-4099.</summary>
internal static partial class Log
{
    [LoggerMessage(4000, LogLevel.Error, "{Method} {Path} failed because of a fault in the broker.")]
    public static partial void Fault(this ILogger log, string method, string path, Exception e);

    [LoggerMessage(4001, LogLevel.Information, "Refused ({Code}): {Caller}, role {Role}, {Method} {Path}, trace {TraceId}: {Detail}")]
    public static partial void Refused(this ILogger log, string code, string caller, string role, string method, string path, string traceId, string detail);

    [LoggerMessage(4002, LogLevel.Warning, "Could not serve ({Code}): {Caller}, role {Role}, {Method} {Path}, trace {TraceId}: {Detail}")]
    public static partial void CouldNot(this ILogger log, string code, string caller, string role, string method, string path, string traceId, string detail);
}
