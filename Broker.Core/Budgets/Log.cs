using Microsoft.Extensions.Logging;

namespace Broker.Core.Budgets;

/// <summary>Events 2000-2099.</summary>
internal static partial class Log
{
    [LoggerMessage(2000, LogLevel.Debug, "Counted {Database}: limit {Limit}, foreign {Foreign}, capacity {Capacity}.")]
    public static partial void Counted(this ILogger log, string database, int limit, int foreign, int capacity);
}
