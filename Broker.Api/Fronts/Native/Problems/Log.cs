namespace Broker.Api.Fronts.Native.Problems;

/// <summary>Events 4000-4099.</summary>
internal static partial class Log
{
    [LoggerMessage(4000, LogLevel.Error, "{Method} {Path} failed: a fault of the broker.")]
    public static partial void Fault(this ILogger log, string method, string path, Exception e);
}
