using Microsoft.Extensions.Logging;

namespace Broker.Core.Ledger.Sealing;

/// <summary>Event 1700.</summary>
internal static partial class Log
{
    [LoggerMessage(1700, LogLevel.Error, "{Count} elements of {Where} were not put there by a broker with this sealing certificate, and are passed over. Find out who can write there, then take them out.")]
    public static partial void StrangeKeys(this ILogger log, int count, string where);
}
