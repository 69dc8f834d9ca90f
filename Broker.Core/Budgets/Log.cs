using Microsoft.Extensions.Logging;

namespace Broker.Core.Budgets;

/// <summary>Events 2000-2099.</summary>
internal static partial class Log
{
    [LoggerMessage(2000, LogLevel.Debug, "Counted {Database}: limit {Limit}, foreign {Foreign}, capacity {Capacity}.")]
    public static partial void Counted(this ILogger log, string database, int limit, int foreign, int capacity);

    [LoggerMessage(2001, LogLevel.Error, "Database {Database}: {Guaranteed} connections are guaranteed ({Whose}), but no more than {Ceiling} may be promised on it, so not all guarantees can be kept. Guarantee less, or raise the ceiling.")]
    public static partial void CannotKeepGuarantees(this ILogger log, string database, long guaranteed, int ceiling, string whose);

    [LoggerMessage(2002, LogLevel.Information, "Database {Database}: all that is guaranteed can be kept again.")]
    public static partial void KeepsGuarantees(this ILogger log, string database);

    [LoggerMessage(2003, LogLevel.Error, "Database {Database}: {Why}.")]
    public static partial void CannotKeepOnServer(this ILogger log, string database, string why);

    [LoggerMessage(2004, LogLevel.Information, "Database {Database}: all that is guaranteed on its server can be kept again.")]
    public static partial void KeepsOnServer(this ILogger log, string database);
}
