using System.Net.Sockets;
using System.Security.Authentication;
using Broker.Core.Catalog;
using MySqlConnector;

namespace Broker.Core.Databases.MySql;

/// <summary>
/// The meaning of the servers' and the driver's failures for the broker. Error numbers:
/// https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html,
/// https://mariadb.com/kb/en/mariadb-error-code-reference/.
/// </summary>
internal static class MySqlFailure
{
    /// <summary>
    /// Whether to translate this exception: everything thrown while the driver is called is translated, whatever its type, except what is translated
    /// already and the caller's own cancellation.
    /// </summary>
    public static bool Covers(Exception exception, CancellationToken cancellation) => exception switch
    {
        OperationCanceledException => !cancellation.IsCancellationRequested,
        DatabaseException => false,
        _ => true,
    };

    /// <summary>Whether the server or the way to it failed; otherwise the driver failed, mostly because of its connection string.</summary>
    private static bool IsOfServer(Exception exception) =>
        exception is MySqlException or TimeoutException or SocketException or IOException or AuthenticationException or OperationCanceledException
        // The driver's message when a connection ended under it.
        || exception is InvalidOperationException or ObjectDisposedException && exception.Source == "MySqlConnector";

    /// <summary>The statement waited too long for another's lock, or was chosen to end a deadlock. It was undone, and trying again helps.</summary>
    public static bool IsCollision(MySqlException exception) => Number(exception) is 1205 or 1213;

    /// <summary>The server takes no writes: it is, or has become, a replica.</summary>
    public static bool IsReadOnly(MySqlException exception) => Number(exception) is 1290 or 1792 or 1836 or 3032;

    /// <summary>
    /// The account is the definer of a stored object, whether that runs with its rights or its caller's, and MySQL (8.0.22 and later) does not leave
    /// an object without its definer (ER_CANNOT_USER_REFERENCED_AS_DEFINER).
    /// </summary>
    private static bool IsStillDefiner(MySqlException exception) => Number(exception) is 4006;

    /// <summary>The user, or the account, does not exist (or exists already: the server has one number for both).</summary>
    public static bool IsCannotUser(MySqlException exception) => Number(exception) is 1396;

    /// <summary>The connection that should be ended has ended.</summary>
    public static bool IsNoSuchThread(MySqlException exception) => Number(exception) is 1094;

    /// <summary>The administrator may not end others' connections by itself.</summary>
    public static bool IsKillDenied(MySqlException exception) => Number(exception) is 1095 or 1227;

    /// <summary>Whether the server refused, in its own words, and the connection continues.</summary>
    public static bool IsRefusal(Exception exception) => exception is MySqlException refused && IsServers(refused) && !EndsConnection(refused);

    /// <summary>The broker's own administrator connection could not be opened.</summary>
    public static DatabaseException OfConnecting(Database database, Exception exception) => OfOpening(
        exception,
        $"Database '{database.Name}': the broker's own administrator connection failed",
        "check AdminConnectionString");

    /// <summary>A user's login was tried and failed.</summary>
    public static DatabaseException OfLogin(Database database, string username, Exception exception) => OfOpening(
        exception,
        $"Database '{database.Name}': the login of '{username}' failed",
        $"check that the account's host part matches, that it may use '{database.DatabaseName}', and how it authenticates");

    /// <summary>A statement failed, and none of its effects remain.</summary>
    public static DatabaseException OfStatement(Database database, Exception exception)
    {
        var where = $"Database '{database.Name}'";
        if (exception is not MySqlException refused || !IsServers(refused))
            return Unanswered(where, exception);
        return Passing(refused) is { } failure
            ? new(failure, $"{where}: the server cannot do it now; try again later: {Words(refused)}")
            : IsStillDefiner(refused) ? new(DatabaseFailure.StillOwns, $"{where}: the server keeps a user that is the DEFINER of a stored object: {Words(refused)} {Definers.Remedy}")
            : new(DatabaseFailure.StatementRefused, $"{where}: the server refused a statement: {Words(refused)}");
    }

    /// <summary>A statement was sent and the connection ended before its outcome came back.</summary>
    public static DatabaseException OfLostAnswer(Database database, Exception exception) => new(
        DatabaseFailure.AnswerLost,
        $"Database '{database.Name}': the connection ended before the outcome of the statements came back; check whether the user exists: {exception.Message}",
        Carried(exception));

    /// <summary>The server takes no writes, except those of administrators such as the broker's; nothing was sent to it.</summary>
    public static DatabaseException OfReadOnly(Database database) => new(
        DatabaseFailure.Unavailable,
        $"Database '{database.Name}': the server is, or has become, a replica (read_only is on), and the broker changes nothing on it, although its administrator could: "
        + "the change would be lost, or break replication. The broker connects anew the next time; let AdminConnectionString lead to the server that takes writes.");

    /// <summary>The administrator connection string cannot be parsed. The message does not quote it: the mistake could be in the password.</summary>
    public static DatabaseException OfConnectionString(Database database) => new(
        DatabaseFailure.Unavailable,
        $"Database '{database.Name}': AdminConnectionString is not a MySqlConnector connection string; write it as Server=…;Port=3306;User ID=…;Password=…, "
        + "and put double quotes around a value with a semicolon or a quote.");

    private static DatabaseException OfOpening(Exception exception, string what, string remedy) =>
        exception switch
        {
            MySqlException refused when IsServers(refused) => Passing(refused) is { } failure
                ? new(failure, $"{what}; try again later: {Words(refused)}")
                : new(DatabaseFailure.LoginRefused, $"{what}; {remedy}: {Words(refused)}"),
            // The driver's own message: an authentication plugin that it does not have.
            NotSupportedException => new(DatabaseFailure.LoginRefused, $"{what}; {remedy}: {exception.Message}"),
            MySqlException { ErrorCode: MySqlErrorCode.UnableToConnectToHost } answered when IsOfHandshake(answered) => new(
                DatabaseFailure.LoginRefused,
                $"{what}; {remedy}: {answered.Message} AdminConnectionString decides it for the broker and for pods: SslMode=Required where the server has TLS, or else AllowPublicKeyRetrieval=true for caching_sha2_password and sha256_password."),
            _ => Unanswered(what, exception),
        };

    private static DatabaseException Unanswered(string what, Exception exception) => new(
        DatabaseFailure.Unavailable,
        IsOfServer(exception)
            ? $"{what}: no answer; check that the server runs and can be reached: {exception.Message}"
            : $"{what}: the driver failed ({exception.GetType().Name}); check the options in AdminConnectionString: {exception.Message}",
        Carried(exception));

    /// <summary>The failure if the same call could succeed later without a repair; null when it could not.</summary>
    private static DatabaseFailure? Passing(MySqlException exception) => Number(exception) switch
    {
        1040 => DatabaseFailure.OutOfConnections,
        // It has as many as max_user_connections, or its own limit, allows.
        1203 or 1226 => DatabaseFailure.UserLimitReached,
        // Shutting down, interrupted or killed, out of memory or threads, a network that broke.
        1037 or 1041 or 1043 or 1053 or 1077 or 1079 or 1135 or 1152 or 1158 or 1159 or 1160 or 1161 or 1317 or 1927 or 1969 or 3024 or 3168 or 3169 => DatabaseFailure.Unavailable,
        // A node of Galera, or a group, that is not ready, or undid the change; and this host, which the server does not answer after failed connections, whoever logs in.
        1047 or 1129 or 3100 or 3101 => DatabaseFailure.Unavailable,
        _ => IsCollision(exception) || IsReadOnly(exception) ? DatabaseFailure.Unavailable : null,
    };

    private static bool EndsConnection(MySqlException exception) => Number(exception) is 1053 or 1152 or 1158 or 1159 or 1160 or 1161 or 1317 or 1927 or 3169;

    // The driver numbers its own failures below 1000, except "unable to connect", which has the number of a server's error.
    private static bool IsServers(MySqlException exception) =>
        exception.InnerException is null && Number(exception) >= 1000 && exception.ErrorCode != MySqlErrorCode.UnableToConnectToHost;

    // The driver numbers what it cannot agree on with a server that answered like one that it cannot reach: only its words, which are English everywhere, tell.
    private static bool IsOfHandshake(MySqlException exception) =>
        exception.Message.StartsWith("Authentication method ", StringComparison.Ordinal)
        || exception.Message.StartsWith("Server does not support SSL", StringComparison.Ordinal)
        || exception.Message.StartsWith("Couldn't load server's RSA public key", StringComparison.Ordinal);

    private static int Number(MySqlException exception) => (int)exception.ErrorCode;

    private static string Words(MySqlException exception) => $"ERROR {Number(exception)} ({exception.SqlState ?? "HY000"}): {exception.Message}";

    /// <summary>A refusal may quote the statement, and with it a password: the exception that carries it is not passed on.</summary>
    private static Exception? Carried(Exception exception) => exception is MySqlException refused && IsServers(refused) ? null : exception;
}
