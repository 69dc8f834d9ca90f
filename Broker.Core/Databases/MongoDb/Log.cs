using Microsoft.Extensions.Logging;

namespace Broker.Core.Databases.MongoDb;

/// <summary>Events 2300-2399. A limitation of a server is logged once per database, not at each count.</summary>
internal static partial class Log
{
    [LoggerMessage(2300, LogLevel.Warning, "Database {Database}: the server does not report its connections (serverStatus.connections): the broker takes {Limit}, from Budget:Limit or Budget:Ceiling, as its limit.")]
    public static partial void NoConnectionCount(this ILogger log, string database, int limit);

    [LoggerMessage(2301, LogLevel.Warning, "Database {Database}: the server does not report which connection belongs to which user ($currentOp): all of them count as foreign, so less is promised than could be. {Why}")]
    public static partial void NoUsersOfConnections(this ILogger log, string database, string why);

    [LoggerMessage(2302, LogLevel.Warning, "Database {Database}: sessions of {Username} could not be ended (killAllSessions): what they run continues to its end, and as long as the user has its roles, open connections can run more. {Why}")]
    public static partial void SessionsNotEnded(this ILogger log, string database, string username, string why);

    [LoggerMessage(2303, LogLevel.Warning, "Database {Database}: the server shows none of its connections (neither serverStatus.connections nor $currentOp), so what others have open is not counted: leave room for them with Budget:CeilingPercent. What holders that end without releasing had open counts until their lease ends.")]
    public static partial void NoConnectionsSeen(this ILogger log, string database);

    [LoggerMessage(2304, LogLevel.Warning, "Database {Database}: {Username} has another password and can no longer log in, but the server does not take its roles away (updateUser): connections that are open keep their rights until the user is dropped. {Why}")]
    public static partial void RolesNotTaken(this ILogger log, string database, string username, string why);
}
