using Broker.Core.Model;
using MongoDB.Bson;

namespace Broker.Core.Databases.MongoDb;

/// <summary>The commands on users, and their replies: https://www.mongodb.com/docs/manual/reference/command/nav-user-management/.</summary>
internal static class UserCommands
{
    /// <summary>Makes a user. Its mechanisms are the server's (SCRAM-SHA-256 if it has that) unless the statement names them.</summary>
    public static BsonDocument Create(Login login, UserStatement statement) => new BsonDocument
    {
        { "createUser", login.Username },
        { "pwd", login.Password.Reveal() },
        { "roles", statement.Roles },
    }.AddRange(statement.More);

    /// <summary>Leaves a user nothing: an unknown password, and no roles. MongoDB has no lock for users.</summary>
    public static BsonDocument Disarm(string username, Secret password) => NewPassword(username, password).Add("roles", new BsonArray());

    /// <summary>Gives a user another password.</summary>
    public static BsonDocument NewPassword(string username, Secret password) => new() { { "updateUser", username }, { "pwd", password.Reveal() } };

    /// <summary>Drops a user.</summary>
    public static BsonDocument Drop(string username) => new("dropUser", username);

    /// <summary>Ends a user's sessions: their operations and cursors.</summary>
    public static BsonDocument KillSessions(string username, string authSource) =>
        new("killAllSessions", new BsonArray { new BsonDocument { { "user", username }, { "db", authSource } } });

    /// <summary>Lists a database's users.</summary>
    public static BsonDocument List { get; } = new("usersInfo", 1);

    /// <summary>The names in the reply to <see cref="List"/> that begin with a prefix.</summary>
    public static IReadOnlyList<string> ReadNames(BsonDocument reply, string prefix) =>
        reply.GetValue("users", BsonNull.Value) is not BsonArray users ? [] :
        [
            .. users.OfType<BsonDocument>()
                .Select(user => user.GetValue("user", BsonNull.Value)).OfType<BsonString>().Select(name => name.Value)
                .Where(name => name.StartsWith(prefix, StringComparison.Ordinal))
                .Order(StringComparer.Ordinal),
        ];
}
