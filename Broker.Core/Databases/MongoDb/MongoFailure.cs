using System.Net.Sockets;
using System.Security.Authentication;
using Broker.Core.Catalog;
using MongoDB.Driver;

namespace Broker.Core.Databases.MongoDb;

/// <summary>
/// The meaning of the server's and the driver's failures for the broker. Codes:
/// https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml.
/// </summary>
internal static class MongoFailure
{
    /// <summary>
    /// Whether to translate this exception: everything thrown while the driver is called or its answer read is translated, whatever its type, except
    /// what is translated already and the caller's own cancellation.
    /// </summary>
    public static bool Covers(Exception exception, CancellationToken cancellation) => exception switch
    {
        OperationCanceledException => !cancellation.IsCancellationRequested,
        DatabaseException => false,
        _ => true,
    };

    /// <summary>No user of that name.</summary>
    public static bool IsUserNotFound(DatabaseException exception) => CodeOf(exception) == 11;

    /// <summary>
    /// The server does not know the command or a part of it, or does not let this administrator run it: servers that only speak
    /// MongoDB's protocol lack some.
    /// </summary>
    public static bool IsNotOffered(DatabaseException exception) =>
        exception.Failure == DatabaseFailure.StatementRefused;

    /// <summary>Whether the administrator lacks the right for a command (Unauthorized).</summary>
    public static bool IsNotAllowed(DatabaseException exception) => CodeOf(exception) == 13;

    /// <summary>Whether the server has no such command (CommandNotFound, CommandNotSupported).</summary>
    public static bool IsUnknownCommand(DatabaseException exception) => CodeOf(exception) is 59 or 115;

    /// <summary>A command was refused, or the server is not there; none of its effects remain.</summary>
    public static DatabaseException OfCommand(Database database, Exception exception) =>
        Of(exception, $"Database '{database.Name}'", "check AdminConnectionString");

    /// <summary>A command that changes users failed.</summary>
    public static DatabaseException OfChange(Database database, Exception exception)
    {
        var refused = exception as MongoCommandException;
        var done = refused is null ? exception is not MongoAuthenticationException : MayBeDone(refused.Code);
        return done
            ? new(
                DatabaseFailure.AnswerLost,
                $"Database '{database.Name}': the outcome of the command is not known; check whether the user exists: {Words(exception)}",
                exception)
            : OfCommand(database, exception);
    }

    /// <summary>A user's login was tried and failed.</summary>
    public static DatabaseException OfLogin(Database database, string username, Exception exception) => Of(
        exception,
        $"Database '{database.Name}': the login of '{username}' failed",
        $"check that its user is in the database '{database.AuthSource}' (AuthSource)");

    /// <summary>A file that the administrator's URI names cannot be read.</summary>
    public static DatabaseException OfTlsFile(Database database, Exception exception) => new(
        DatabaseFailure.Unavailable, $"Database '{database.Name}': a file for TLS that AdminConnectionString names cannot be used (tlsCAFile, tlsCertificateKeyFile): {exception.Message}", exception);

    /// <summary>The administrator connection string cannot be parsed. The message does not quote it: the mistake could be in the password.</summary>
    public static DatabaseException OfConnectionString(Database database) => new(
        DatabaseFailure.Unavailable,
        $"Database '{database.Name}': AdminConnectionString is not a MongoDB URI; write it as mongodb://user:password@host:27017/?authSource=admin "
        + "(or mongodb+srv://…), and the characters / : @ ? # [ ] % of a password as %2F and the like.");

    private static DatabaseException Of(Exception exception, string what, string remedy)
    {
        if (Find<MongoAuthenticationException>(exception) is { } denied)
        {
            var words = denied.InnerException is { } why ? $"{Words(denied)} {Words(why)}" : Words(denied);
            return SaysNothing(denied.InnerException)
                ? new(DatabaseFailure.Unavailable, $"{what}: the server broke the login off; try again later: {words}", exception)
                : new(DatabaseFailure.LoginRefused, $"{what}: the login was refused; {remedy}: {words}", exception);
        }

        if (exception is not (MongoException or TimeoutException or SocketException or IOException or AuthenticationException or OperationCanceledException))
            return new(DatabaseFailure.Unavailable, $"{what}: the driver failed, or the answer could not be read ({exception.GetType().Name}); {remedy}: {exception.Message}", exception);
        if (exception is not MongoCommandException refused)
            return new(DatabaseFailure.Unavailable, $"{what}: no answer; check that the server runs and can be reached: {Words(exception)}", exception);
        return IsPassing(refused.Code)
            ? new(DatabaseFailure.Unavailable, $"{what}: the server cannot do it now; try again later: {Words(refused)}", exception)
            // The driver's exception carries the command, and with it a password: only its code and words are passed on.
            : new MongoRefusal(refused.Code, $"{what}: the server refused a command: {Words(refused)}").AsDatabaseException();
    }

    /// <summary>
    /// Whether what interrupted an authentication says nothing about the login: the driver puts whatever happens meanwhile, a connection that breaks and a server that stops too, into
    /// the same exception as a refusal.
    /// </summary>
    private static bool SaysNothing(Exception? why) => why switch
    {
        MongoCommandException refused => IsPassing(refused.Code),
        MongoAuthenticationException denied => SaysNothing(denied.InnerException),
        MongoConnectionException or TimeoutException or SocketException or IOException => true,
        _ => false,
    };

    /// <summary>Stepping down, starting, shutting down, interrupted, without a primary, conflicting with another, too slow.</summary>
    private static bool IsPassing(int code) =>
        code is 6 or 7 or 24 or 46 or 50 or 89 or 91 or 112 or 133 or 134 or 189 or 202 or 216 or 262 or 9001 or 10058 or 10107 or 11600 or 11601 or 11602 or 13435 or 13436;

    /// <summary>Carried out, but not yet known by a majority, or cut off in between.</summary>
    private static bool MayBeDone(int code) => code is 50 or 64 or 91 or 189 or 262 or 11600 or 11601 or 11602;

    private static string Words(Exception exception) => exception is MongoCommandException refused
        ? $"{refused.CodeName ?? "Error"} ({refused.Code}): {refused.ErrorMessage}"
        : exception.Message;

    private static int? CodeOf(DatabaseException exception) => (exception.InnerException as MongoRefusal)?.Code;

    private static T? Find<T>(Exception? exception) where T : Exception
    {
        for (; exception is not null; exception = exception.InnerException)
        {
            if (exception is T found) return found;
        }

        return null;
    }

    /// <summary>A refusal's code beside its words.</summary>
    private sealed class MongoRefusal(int code, string message) : Exception(message)
    {
        public int Code { get; } = code;

        public DatabaseException AsDatabaseException() => new(DatabaseFailure.StatementRefused, Message, this);
    }
}
