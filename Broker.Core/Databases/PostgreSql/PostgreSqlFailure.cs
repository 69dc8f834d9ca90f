using System.Net.Sockets;
using System.Security.Authentication;
using Broker.Core.Catalog;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// The meaning of PostgreSQL's and the driver's failures for the broker. SQLSTATE codes:
/// https://www.postgresql.org/docs/current/errcodes-appendix.html.
/// </summary>
internal static class PostgreSqlFailure
{
    /// <summary>
    /// Whether to translate this exception: everything thrown while the driver is called is translated, whatever its type, except what is translated
    /// already and the caller's own cancellation.
    /// </summary>
    public static bool Covers(Exception exception, CancellationToken cancellation) => exception switch
    {
        DatabaseException => false,
        OperationCanceledException => !cancellation.IsCancellationRequested,
        _ => true,
    };

    /// <summary>Whether the server or the way to it failed; otherwise the driver failed, mostly because of its connection string.</summary>
    private static bool IsOfServer(Exception exception) =>
        exception is NpgsqlException or TimeoutException or SocketException or IOException or AuthenticationException or OperationCanceledException;

    /// <summary>
    /// Two transactions touched the same catalog row: role statements do, for example a GRANT on a table on which another role is granted
    /// rights at the same moment. Nothing was done, and trying again helps.
    /// </summary>
    public static bool IsCollision(PostgresException exception) => exception.SqlState switch
    {
        PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected => true,
        PostgresErrorCodes.InternalError => exception.MessageText.StartsWith("tuple concurrently", StringComparison.Ordinal),
        PostgresErrorCodes.UniqueViolation => exception.SchemaName == "pg_catalog",
        _ => false,
    };

    /// <summary>The broker's own administrator connection could not be opened.</summary>
    public static DatabaseException OfConnecting(Database database, Exception exception) => OfOpening(
        exception,
        $"Database '{database.Name}': the broker's own administrator connection failed",
        "check AdminConnectionString");

    /// <summary>A user's login was tried and failed.</summary>
    public static DatabaseException OfLogin(Database database, string username, Exception exception) => OfOpening(
        exception,
        $"Database '{database.Name}': the login of '{username}' failed",
        $"check that the user may log in and connect to '{database.DatabaseName}' at {database.Host}:{database.Port}");

    /// <summary>A statement failed, and none of its effects remain.</summary>
    public static DatabaseException OfStatement(Database database, Exception exception)
    {
        var where = $"Database '{database.Name}'";
        if (exception is not PostgresException postgres)
            return Unanswered(where, exception);
        return IsPassing(postgres) || IsCollision(postgres)
            ? new(KindOfPassing(postgres), $"{where}: the server cannot do it now; try again later: {Words(postgres)}")
            : new(DatabaseFailure.StatementRefused, $"{where}: the server refused a statement: {Words(postgres)}");
    }

    /// <summary>Statements were sent and the connection ended before their outcome came back.</summary>
    public static DatabaseException OfLostAnswer(Database database, Exception exception) => new(
        DatabaseFailure.AnswerLost,
        $"Database '{database.Name}': the connection ended before the outcome of the statements came back; check whether the user exists: "
        + (exception is PostgresException postgres ? Words(postgres) : exception.Message),
        Carried(exception));

    /// <summary>The administrator connection string cannot be parsed. The message does not quote it: the mistake could be in the password.</summary>
    public static DatabaseException OfConnectionString(Database database) => new(
        DatabaseFailure.Unavailable,
        $"Database '{database.Name}': AdminConnectionString is not an Npgsql connection string; write it as Host=…;Port=5432;Username=…;Password=…;Database=…, "
        + "and put double quotes around a value with a semicolon or a quote.");

    private static DatabaseException OfOpening(Exception exception, string what, string remedy)
    {
        if (exception is not PostgresException postgres)
            return Unanswered(what, exception);
        return IsPassing(postgres) || IsOwnTrouble(postgres)
            ? new(KindOfPassing(postgres), $"{what}; try again later: {Words(postgres)}")
            : new(DatabaseFailure.LoginRefused, $"{what}; {remedy}: {Words(postgres)}");
    }

    private static DatabaseException Unanswered(string what, Exception exception) => new(
        DatabaseFailure.Unavailable,
        IsOfServer(exception)
            ? $"{what}: no answer; check that the server runs and can be reached: {exception.Message}"
            : $"{what}: the driver failed ({exception.GetType().Name}); check the options in AdminConnectionString: {exception.Message}",
        Carried(exception));

    /// <summary>Whether the same call could succeed later without a repair.</summary>
    private static bool IsPassing(PostgresException exception) => (exception.SqlState is { Length: 5 } state ? state[..2] : "") switch
    {
        "08" => true, // connection exception
        "53" => true, // insufficient resources, such as too many connections
        "57" => true, // operator intervention: shutting down, starting, cancelled
        _ => exception.SqlState is PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.ReadOnlySqlTransaction,
    };

    /// <summary>
    /// Whether the server, or a pooler in front of it, is in trouble of its own (58, XX), which says nothing about a login: Supavisor says so of a full pool, and PgCat of a server that
    /// is down. They have the same codes for a user that they do not know; only their words, which are English everywhere, tell.
    /// </summary>
    private static bool IsOwnTrouble(PostgresException exception) =>
        exception.SqlState is ['5', '8', ..] or ['X', 'X', ..]
        && !exception.MessageText.Contains("user not found", StringComparison.OrdinalIgnoreCase)
        && !exception.MessageText.StartsWith("No pool configured", StringComparison.Ordinal);

    /// <summary>53300 has three meanings: the server is full, its last slots are reserved, the role's or the database's own limit is reached.</summary>
    private static DatabaseFailure KindOfPassing(PostgresException exception) =>
        exception.SqlState != PostgresErrorCodes.TooManyConnections ? DatabaseFailure.Unavailable
        // The message may be in any language; the place in the server's source is not.
        : exception.Routine == "InitializeSessionUserId" ? DatabaseFailure.UserLimitReached
        : DatabaseFailure.OutOfConnections;

    private static string Words(PostgresException exception)
    {
        var words = $"{exception.Severity} {exception.SqlState}: {exception.MessageText}";
        if (exception.Detail is { Length: > 0 } detail)
            words += $" DETAIL: {detail}";
        if (exception.Hint is { Length: > 0 } hint)
            words += $" HINT: {hint}";
        return words;
    }

    /// <summary>The driver's exception for a refused statement carries the statement, and with it a password: it is not passed on.</summary>
    private static Exception? Carried(Exception exception) => exception is PostgresException ? null : exception;
}
