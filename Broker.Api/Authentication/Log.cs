namespace Broker.Api.Authentication;

/// <summary>What authentication says. Event ids 2100-2199. Never a token.</summary>
internal static partial class Log
{
    [LoggerMessage(2100, LogLevel.Debug, "Keys of identity issuer {Issuer} fetched: {Keys} keys.")]
    public static partial void KeysFetched(this ILogger log, string issuer, int keys);

    [LoggerMessage(2101, LogLevel.Warning, "Keys of identity issuer {Issuer} could not be fetched; older keys are kept: {HasOlder}.")]
    public static partial void KeysNotFetched(this ILogger log, string issuer, bool hasOlder, Exception error);
}
