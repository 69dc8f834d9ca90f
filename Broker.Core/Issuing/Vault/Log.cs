using Microsoft.Extensions.Logging;

namespace Broker.Core.Issuing.Vault;

/// <summary>The log messages of the Vault issuer, events 3000-3099. They never contain a token, a password or a secret id.</summary>
internal static partial class Log
{
    [LoggerMessage(3000, LogLevel.Information, "Issuer {Issuer}: logged in to Vault with {Method}; the token has {TimeLeft} left and its leases are safe for {Horizon} (none: as long as it is renewed)")]
    public static partial void LoggedIn(ILogger logger, string issuer, string method, TimeSpan? timeLeft, TimeSpan? horizon);

    [LoggerMessage(3016, LogLevel.Warning, "Issuer {Issuer}: the Vault token is not periodic, so no lease is promised for longer than {Horizon}: a lease ends with the token that created it. Set token_period on the broker's role in Vault")]
    public static partial void TokenNotPeriodic(ILogger logger, string issuer, TimeSpan horizon);

    [LoggerMessage(3001, LogLevel.Error, "Issuer {Issuer}: cannot log in to Vault with {Method}: {Reason}")]
    public static partial void LoginFailed(ILogger logger, string issuer, string method, string reason);

    [LoggerMessage(3002, LogLevel.Debug, "Issuer {Issuer}: Vault token renewed, {TimeLeft} left")]
    public static partial void TokenRenewed(ILogger logger, string issuer, TimeSpan? timeLeft);

    [LoggerMessage(3003, LogLevel.Warning, "Issuer {Issuer}: the Vault token could not be kept alive: {Reason}. It and every lease that it created end in {TimeLeft}; trying again in {RetryIn}")]
    public static partial void TokenNotKeptAlive(ILogger logger, string issuer, string reason, TimeSpan? timeLeft, TimeSpan retryIn);

    [LoggerMessage(3004, LogLevel.Information, "Issuer {Issuer}: a new Vault token replaces the previous one, which has reached its end or was replaced in its file; new leases use the new token, earlier ones end within {TimeLeft}")]
    public static partial void TokenFollowed(ILogger logger, string issuer, TimeSpan? timeLeft);

    [LoggerMessage(3005, LogLevel.Warning, "Issuer {Issuer}: the Vault token has ended, and so have the leases that it created: logging in again")]
    public static partial void TokenDied(ILogger logger, string issuer);

    [LoggerMessage(3006, LogLevel.Error, "Issuer {Issuer}: the Vault token can neither be renewed nor replaced; it and every lease that it created end in {TimeLeft}. Give the broker a periodic token, or let it log in with AppRole or Kubernetes")]
    public static partial void TokenEndsForGood(ILogger logger, string issuer, TimeSpan? timeLeft);

    [LoggerMessage(3007, LogLevel.Warning, "Issuer {Issuer}: lease of role {Role} {Warning}")]
    public static partial void LeaseCapped(ILogger logger, string issuer, string role, string warning);

    [LoggerMessage(3008, LogLevel.Debug, "Issuer {Issuer}: repeating a call to Vault (attempt {Attempt}) in {Delay}: {Reason}")]
    public static partial void Repeating(ILogger logger, string issuer, int attempt, TimeSpan delay, string reason);

    [LoggerMessage(3009, LogLevel.Warning, "Issuer {Issuer}: no calls to Vault for {BreakDuration}, because most of them fail: {Reason}")]
    public static partial void CircuitOpened(ILogger logger, string issuer, TimeSpan breakDuration, string reason);

    [LoggerMessage(3010, LogLevel.Information, "Issuer {Issuer}: Vault answers again")]
    public static partial void CircuitClosed(ILogger logger, string issuer);

    [LoggerMessage(3011, LogLevel.Debug, "Issuer {Issuer}: a standby redirects to {Host}")]
    public static partial void Redirected(ILogger logger, string issuer, string host);

    [LoggerMessage(3012, LogLevel.Warning, "Issuer {Issuer}: a redirect to {Target} was not followed: the token goes only to the configured server and to the server that this one names, by the same scheme")]
    public static partial void RedirectNotFollowed(ILogger logger, string issuer, string target);

    [LoggerMessage(3013, LogLevel.Error, "Issuer {Issuer}: cannot read the certificate authority {File}: {Reason}")]
    public static partial void AuthorityUnreadable(ILogger logger, string issuer, string file, string reason);

    [LoggerMessage(3014, LogLevel.Warning, "Issuer {Issuer}: Vault's answer for role {Role} was lost, a user may exist: {Reason}")]
    public static partial void AnswerLost(ILogger logger, string issuer, string role, string reason);

    [LoggerMessage(3015, LogLevel.Warning, "Issuer {Issuer}: {Path} answered with a login the broker cannot use; the lease was revoked")]
    public static partial void UnusableLeaseRevoked(ILogger logger, string issuer, string path);

    [LoggerMessage(3017, LogLevel.Warning, "Issuer {Issuer}: the Vault token may not renew itself, so its leases are promised only for its remaining time: {Reason}")]
    public static partial void TokenMayNotRenewItself(ILogger logger, string issuer, string reason);

    [LoggerMessage(3018, LogLevel.Error, "Issuer {Issuer}: the token file holds a new token that cannot be used: {Reason} The previous one stays in use")]
    public static partial void TokenInFileNotUsable(ILogger logger, string issuer, string reason);

    [LoggerMessage(3019, LogLevel.Warning, "Issuer {Issuer}: a standby redirected the request for a user at {Path}, and the active node made one. If the standby had passed the request on before, and only lost the answer, there is a second user that no lease of the broker knows, until Vault drops it at the end of its lease. Let Address lead to the active node, e.g. by a health check on sys/health")]
    public static partial void IssuedAfterRedirect(ILogger logger, string issuer, VaultPath path);
}
