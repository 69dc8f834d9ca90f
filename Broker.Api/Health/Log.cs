namespace Broker.Api.Health;

/// <summary>Events 4100-4199.</summary>
internal static partial class Log
{
    [LoggerMessage(4100, LogLevel.Warning, "Not ready yet: {Why}")]
    public static partial void WarmUpWaits(this ILogger log, string why);

    [LoggerMessage(4110, LogLevel.Error, "Not ready, and nothing is read, counted or changed: {Why}. Lost sealing keys: revoke all leases, empty the ledger and restart.")]
    public static partial void NotFit(this ILogger log, string why);

    [LoggerMessage(4101, LogLevel.Information, "The warm-up was cut short: {Why}")]
    public static partial void RehearsalEnded(this ILogger log, string why);
}
