using Microsoft.Extensions.Logging;

namespace Broker.Core.Ledger.Sealing;

/// <summary>Events 1700 and 1709.</summary>
internal static partial class Log
{
    [LoggerMessage(1700, LogLevel.Error, "{Count} elements of {Where} were not written by a broker with this sealing certificate, and are ignored. Find out who can write there, then remove them.")]
    public static partial void StrangeKeys(this ILogger log, int count, string where);

    [LoggerMessage(1709, LogLevel.Warning, "{Count} sealing keys had been lost, and are put back: {Where}.")]
    public static partial void KeysPutBack(this ILogger log, int count, string where);
}
