namespace Broker.Api.Authentication;

/// <summary>The log messages of authentication, event ids 2100-2199. They never contain a token.</summary>
internal static partial class Log
{
    [LoggerMessage(2100, LogLevel.Debug, "Keys of identity issuer {Issuer} fetched: {Keys} keys.")]
    public static partial void KeysFetched(this ILogger log, string issuer, int keys);

    [LoggerMessage(2101, LogLevel.Warning, "Keys of identity issuer {Issuer} could not be fetched; older keys are kept: {HasOlder}.")]
    public static partial void KeysNotFetched(this ILogger log, string issuer, bool hasOlder, Exception error);

    [LoggerMessage(2102, LogLevel.Error, "Cluster {Issuer} cannot review tokens: {Reason}. Its callers are told to try again.")]
    public static partial void ClusterNotAsked(this ILogger log, string issuer, string reason);

    [LoggerMessage(2103, LogLevel.Information, "Cluster {Issuer} reviews tokens again.")]
    public static partial void ClusterAnswersAgain(this ILogger log, string issuer);

    [LoggerMessage(2104, LogLevel.Information, "The broker's certificate was read: {Subject}, until {Until:O}.")]
    public static partial void CertificateRead(this ILogger log, string subject, DateTime until);

    [LoggerMessage(2105, LogLevel.Error, "The broker's certificate files changed but cannot be used; the previous certificate stays in use.")]
    public static partial void CertificateNotRead(this ILogger log, Exception error);

    [LoggerMessage(2106, LogLevel.Warning, "Too many tokens from address {Address} were invalid. Valid ones from it are still accepted.")]
    public static partial void AddressSlowed(this ILogger log, string address);

    [LoggerMessage(2107, LogLevel.Warning, "The pods of namespace {Namespace} of cluster {Issuer} cannot be watched: {Reason}. Meanwhile, holders of pods that are gone end only when nobody renews them.")]
    public static partial void PodsNotWatched(this ILogger log, string issuer, string @namespace, string reason);

    [LoggerMessage(2108, LogLevel.Debug, "Watching {Pods} pods in namespace {Namespace} of cluster {Issuer}.")]
    public static partial void PodsWatched(this ILogger log, string issuer, string @namespace, int pods);

    [LoggerMessage(2109, LogLevel.Information, "The pods of namespace {Namespace} of cluster {Issuer} are watched again.")]
    public static partial void PodsWatchedAgain(this ILogger log, string issuer, string @namespace);

    [LoggerMessage(2110, LogLevel.Warning, "Holders of pods of cluster {Issuer} that are gone cannot be ended: {Reason}. The broker tries again.")]
    public static partial void PodsNotEnded(this ILogger log, string issuer, string reason);
}
