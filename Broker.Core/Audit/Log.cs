using Microsoft.Extensions.Logging;

namespace Broker.Core.Audit;

/// <summary>The log messages of the audit, events 5000-5099.</summary>
internal static partial class Log
{
    [LoggerMessage(5000, LogLevel.Error,
        "The audit cannot be written to {Path}: {Reason}. Nothing is granted until it can be; correct the path, its permissions or its disk")]
    public static partial void Failing(ILogger logger, string path, string reason);

    [LoggerMessage(5001, LogLevel.Information, "The audit is written to {Path} again; {Refused} records could not be written")]
    public static partial void Healed(ILogger logger, string path, long refused);

    [LoggerMessage(5002, LogLevel.Information, "The audit file {Path} was moved or removed; opening a new one")]
    public static partial void Reopening(ILogger logger, string path);

    [LoggerMessage(5003, LogLevel.Critical, "The audit may have lost {Records} records while stopping: {Path} did not accept them within {Deadline}")]
    public static partial void LostWhileStopping(ILogger logger, string path, int records, TimeSpan deadline);

    [LoggerMessage(5004, LogLevel.Critical, "The audit file {Path} was truncated while no broker wrote to it: its last {Missing} records are missing")]
    public static partial void FileWasCut(ILogger logger, string path, long missing);

    [LoggerMessage(5005, LogLevel.Error, "The audit sink {Sink} accepts no records: {Reason}. The other sinks do. Repair it")]
    public static partial void SinkFailing(ILogger logger, string sink, string reason);

    [LoggerMessage(5006, LogLevel.Information, "The audit sink {Sink} accepts records again; the chain says which ones it lost")]
    public static partial void SinkHealed(ILogger logger, string sink);

    [LoggerMessage(5007, LogLevel.Error, "The audit's last checkpoint cannot be kept in {Path} ({Reason}): records missing at the end of the audit could go unnoticed")]
    public static partial void HeadNotKept(ILogger logger, string path, string reason);

    [LoggerMessage(5008, LogLevel.Warning,
        "The checkpoints of the audit in {Path} are not signed: whoever can write to the audit can rewrite all of it. Set Broker:Audit:SigningKeyFile to a PEM file with an EC private key")]
    public static partial void Unsigned(ILogger logger, string path);

    [LoggerMessage(5009, LogLevel.Information, "The audit's last checkpoint, for broker audit verify --anchors: {Anchor}")]
    public static partial void Anchor(ILogger logger, string anchor);

    [LoggerMessage(5010, LogLevel.Critical, "The audit in {Path} was changed while no broker wrote to it: {What}. Verify it")]
    public static partial void FileWasChanged(ILogger logger, string path, string what);

    [LoggerMessage(5011, LogLevel.Information, "{Times} more requests without a valid token were refused in the last minute; the audit has their addresses in {Lines} lines")]
    public static partial void UnprovenSummedUp(ILogger logger, int times, int lines);

    [LoggerMessage(5012, LogLevel.Warning, "{Times} more requests of {Callers} known callers were refused, or only looked, in the last minute than the audit records one by one; it records their number")]
    public static partial void CallersSummedUp(ILogger logger, int times, int callers);
}
