using Microsoft.Extensions.Logging;

namespace Broker.Core.Ledger.Redis;

/// <summary>Events 1700-1799.</summary>
internal static partial class Log
{
    [LoggerMessage(1700, LogLevel.Error, "{Count} elements of {Key} in Redis were not put there by a broker with this sealing certificate, and are passed over. Find out who can write to Redis, then take them out.")]
    public static partial void StrangeKeys(this ILogger log, int count, string key);

    [LoggerMessage(1701, LogLevel.Error, "{File}, which the connection to Redis needs, cannot be read: {Why}")]
    public static partial void RedisFileUnreadable(this ILogger log, string file, string why);
}
