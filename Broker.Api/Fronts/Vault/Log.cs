namespace Broker.Api.Fronts.Vault;

/// <summary>What this room says, events 4200-4299.</summary>
internal static partial class Log
{
    [LoggerMessage(4200, LogLevel.Error, "{Method} {Path} broke: a fault of the broker")]
    public static partial void Fault(this ILogger logger, string method, string path, Exception exception);
}
