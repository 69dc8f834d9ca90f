using MongoDB.Bson;

namespace Broker.Core.Databases.MongoDb;

/// <summary>Identifies a server, whatever name it is reached by.</summary>
internal static class ServerIdentity
{
    /// <summary>Asks a server for its identity; everybody may. It uses the command's old name, which old servers and others that speak MongoDB also know.</summary>
    public static BsonDocument Command { get; } = new("isMaster", 1);

    /// <summary>
    /// A replica set's primary, whichever member that is now, is identified by the set's name and its members; any other member stands alone,
    /// because its connections are its own. Null: a server without a set, or one in front of shards, does not say who it is
    /// (https://www.mongodb.com/docs/manual/reference/command/hello/).
    /// </summary>
    public static string? Read(BsonDocument hello)
    {
        if (hello.GetValue("setName", BsonNull.Value) is not BsonString set || hello.GetValue("hosts", BsonNull.Value) is not BsonArray hosts) return null;
        var members = string.Join(',', hosts.Select(host => host.ToString()).Order(StringComparer.Ordinal));
        var isPrimary = hello.GetValue("ismaster", false).ToBoolean();
        return isPrimary ? $"mongodb {set.Value} {members}" : $"mongodb {set.Value} member {hello.GetValue("me", members)}";
    }
}
