using Microsoft.Extensions.Logging;

namespace Broker.Core.Ledger.Sealing;

/// <summary>Event 1700.</summary>
internal static partial class Log
{
    [LoggerMessage(1700, LogLevel.Error, "{Count} elements of {Where} were not written by a broker with this sealing certificate, and are ignored. Find out who can write there, then remove them.")]
    public static partial void StrangeKeys(this ILogger log, int count, string where);
}
