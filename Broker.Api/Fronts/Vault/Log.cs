namespace Broker.Api.Fronts.Vault;

/// <summary>The log lines of this folder, events 4200-4299.</summary>
internal static partial class Log
{
    [LoggerMessage(4200, LogLevel.Error, "{Method} {Path} broke: a fault of the broker")]
    public static partial void Fault(this ILogger logger, string method, string path, Exception exception);

    [LoggerMessage(4201, LogLevel.Error, "The authorities in {File} cannot be read, so the Vault behind is not trusted: {Reason}")]
    public static partial void UpstreamAuthorityUnreadable(this ILogger logger, string file, string reason);

    [LoggerMessage(4202, LogLevel.Warning, "The Vault behind refused a login at auth/{Mount} with status {Status}: its client gets what the broker issues, and nothing from the Vault behind")]
    public static partial void UpstreamLoginRefused(this ILogger logger, string mount, int status);

    [LoggerMessage(4203, LogLevel.Warning, "A login at auth/{Mount} could not be made at the Vault behind: {Why}")]
    public static partial void UpstreamLoginFailed(this ILogger logger, string mount, string why);

    [LoggerMessage(4204, LogLevel.Warning, "The Vault behind did not renew the token beside client token {Accessor}: status {Status}")]
    public static partial void UpstreamRenewalRefused(this ILogger logger, string accessor, int status);

    [LoggerMessage(4205, LogLevel.Warning, "A token of the Vault behind was not revoked with its client token, and stays valid there until it expires: {Why}")]
    public static partial void UpstreamTokenNotRevoked(this ILogger logger, string why);

    [LoggerMessage(4206, LogLevel.Warning, "The Vault behind was not told of a client token's renewal or end: {Why}")]
    public static partial void UpstreamNotTold(this ILogger logger, string why);
}
