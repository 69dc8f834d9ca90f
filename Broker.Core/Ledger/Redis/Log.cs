using Microsoft.Extensions.Logging;

namespace Broker.Core.Ledger.Redis;

/// <summary>Events 1701-1709.</summary>
internal static partial class Log
{
    [LoggerMessage(1701, LogLevel.Error, "{File}, which the connection to Redis needs, cannot be read: {Why}")]
    public static partial void RedisFileUnreadable(this ILogger log, string file, string why);
}
