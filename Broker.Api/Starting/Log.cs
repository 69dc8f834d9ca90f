namespace Broker.Api.Starting;

/// <summary>Events 4120-4139.</summary>
internal static partial class Log
{
    [LoggerMessage(4120, LogLevel.Warning, "This host has no inotify instance left (fs.inotify.max_user_instances): configuration files are looked at every four seconds instead of being watched.")]
    public static partial void FilesArePolled(this ILogger log);

    [LoggerMessage(4121, LogLevel.Warning, "Configuration: {Path}: {Warning}")]
    public static partial void ReadsWellAndMeansNothing(this ILogger log, string path, string warning);
}
