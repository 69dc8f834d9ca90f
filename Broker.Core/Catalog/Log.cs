using Microsoft.Extensions.Logging;

namespace Broker.Core.Catalog;

/// <summary>The log messages of the catalog, event ids 1100-1199.</summary>
internal static partial class Log
{
    [LoggerMessage(1100, LogLevel.Information, "Configuration reloaded: {Databases} databases, {Roles} roles, {Issuers} issuers.")]
    public static partial void Reloaded(this ILogger log, int databases, int roles, int issuers);

    [LoggerMessage(1101, LogLevel.Error, "Configuration mistake: {Path}: {Problem} {Mend}")]
    public static partial void ReloadMistake(this ILogger log, string path, string problem, string mend);

    [LoggerMessage(1102, LogLevel.Error, "Configuration not reloaded because of {Mistakes} mistakes; the previous configuration stays in force.")]
    public static partial void ReloadRefused(this ILogger log, int mistakes);

    [LoggerMessage(1103, LogLevel.Warning, "Ledger, Sealing, Audit, Waiting, Limits, Tls or Proxies changed, which takes effect only after a restart.")]
    public static partial void NeedsRestart(this ILogger log);

    [LoggerMessage(1104, LogLevel.Error, "A part of the broker failed to follow the reloaded configuration.")]
    public static partial void ListenerFailed(this ILogger log, Exception error);

    [LoggerMessage(1105, LogLevel.Warning, "Authority, Audience or CaFile of the issuer {Issuer} changed, by which people sign in to the page: that takes effect there only after a restart.")]
    public static partial void SignInNeedsRestart(this ILogger log, string issuer);
}
