using Microsoft.Extensions.Logging;

namespace Broker.Core.Ledger.OnDisk;

/// <summary>Events 1710-1719.</summary>
internal static partial class Log
{
    [LoggerMessage(1710, LogLevel.Warning, "The ledger's file {Path} does not exist: the broker begins a new one. If there was one before, its content is lost; open connections count as in use by others until their holders return.")]
    public static partial void NewFile(this ILogger log, string path);

    [LoggerMessage(1711, LogLevel.Error, "{Why} The broker tries again, and grants nothing meanwhile.")]
    public static partial void FileFailed(this ILogger log, string why);

    [LoggerMessage(1712, LogLevel.Information, "The ledger's file {Path} can be used again.")]
    public static partial void FileIsBack(this ILogger log, string path);
}
