using Microsoft.Extensions.Logging;

namespace Broker.Core.Ledger.Redis;

/// <summary>Events 1701-1708.</summary>
internal static partial class Log
{
    [LoggerMessage(1701, LogLevel.Error, "{File}, which the connection to Redis needs, cannot be read: {Why}")]
    public static partial void RedisFileUnreadable(this ILogger log, string file, string why);

    [LoggerMessage(1702, LogLevel.Warning, "No replica of Redis {Server} has acknowledged a costly decision within {Milliseconds} ms: decisions no longer wait, and a failover may lose the last of them. {Why}")]
    public static partial void NotAcknowledged(this ILogger log, string server, int milliseconds, string why);

    [LoggerMessage(1703, LogLevel.Information, "A replica of Redis {Server} acknowledges costly decisions.")]
    public static partial void Acknowledged(this ILogger log, string server);
}
