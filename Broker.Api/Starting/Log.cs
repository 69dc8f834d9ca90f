namespace Broker.Api.Starting;

/// <summary>Events 4100-4139.</summary>
internal static partial class Log
{
    [LoggerMessage(4100, LogLevel.Warning, "Not ready yet: {Why}")]
    public static partial void WarmUpWaits(this ILogger log, string why);

    [LoggerMessage(4110, LogLevel.Error, "Not ready, and nothing is read, counted or changed meanwhile: {Why}.")]
    public static partial void NotFit(this ILogger log, string why);

    [LoggerMessage(4111, LogLevel.Warning, "Claims that need {What} cannot be served yet: {Why}")]
    public static partial void NotAnswered(this ILogger log, string what, string why);

    [LoggerMessage(4112, LogLevel.Warning, "The ledger works, but {What}")]
    public static partial void LedgerNoted(this ILogger log, string what);

    [LoggerMessage(4101, LogLevel.Information, "The warm-up was cut short: {Why}")]
    public static partial void RehearsalEnded(this ILogger log, string why);

    [LoggerMessage(4120, LogLevel.Warning, "This host has no inotify instance left (fs.inotify.max_user_instances): configuration files are polled every four seconds instead of being watched.")]
    public static partial void FilesArePolled(this ILogger log);

    [LoggerMessage(4121, LogLevel.Warning, "Configuration: {Path}: {Warning}")]
    public static partial void ReadsWellAndMeansNothing(this ILogger log, string path, string warning);

    [LoggerMessage(4122, LogLevel.Warning, "{Variable}")]
    public static partial void NotUsed(this ILogger log, string variable);
}
