using Broker.Core.Catalog;
using MongoDB.Bson;

namespace Broker.Core.Databases.MongoDb;

/// <summary>The server's statements about its connections.</summary>
internal static class ConnectionCount
{
    /// <summary>The command for the limit and the number of connections.</summary>
    public static BsonDocument StatusCommand { get; } = new() { { "serverStatus", 1 }, { "metrics", 0 }, { "locks", 0 }, { "wiredTiger", 0 }, { "tcmalloc", 0 } };

    /// <summary>
    /// The command for the users of the connections, idle ones too, of the server itself and not of its shards. The administrator needs
    /// <c>inprog</c> (in <c>clusterMonitor</c>).
    /// </summary>
    public static BsonDocument UsersCommand { get; } = new()
    {
        { "aggregate", 1 },
        {
            "pipeline", new BsonArray
            {
                new BsonDocument("$currentOp", new BsonDocument { { "allUsers", true }, { "idleConnections", true }, { "localOps", true } }),
                new BsonDocument("$match", new BsonDocument("connectionId", new BsonDocument("$exists", true))),
                new BsonDocument("$group", new BsonDocument
                {
                    { "_id", new BsonDocument("$ifNull", new BsonArray { new BsonDocument("$arrayElemAt", new BsonArray { "$effectiveUsers.user", 0 }), BsonNull.Value }) },
                    { "open", new BsonDocument("$sum", 1) },
                }),
            }
        },
        { "cursor", new BsonDocument("batchSize", 10_000) },
    };

    /// <summary>The command for the operations that a user has under way on the server.</summary>
    public static BsonDocument OperationsCommand(string username) => new()
    {
        { "aggregate", 1 },
        {
            "pipeline", new BsonArray
            {
                new BsonDocument("$currentOp", new BsonDocument { { "allUsers", true }, { "localOps", true } }),
                new BsonDocument("$match", new BsonDocument { { "active", true }, { "effectiveUsers.user", username } }),
                new BsonDocument("$count", "operations"),
            }
        },
        { "cursor", new BsonDocument() },
    };

    /// <summary>The number in the reply to <see cref="OperationsCommand"/>, whose batch is empty when there are none.</summary>
    public static int ReadOperations(BsonDocument reply) =>
        reply["cursor"]["firstBatch"].AsBsonArray.OfType<BsonDocument>().FirstOrDefault() is { } row ? row["operations"].ToInt32() : 0;

    /// <summary>
    /// <c>connections.current</c> and their limit, which is the sum of it and of what is still <c>available</c>; null when the
    /// server does not say.
    /// </summary>
    public static (int Current, int Limit)? ReadStatus(BsonDocument status) =>
        status.GetValue("connections", BsonNull.Value) is BsonDocument connections
        && Number(connections, "current") is { } current && Number(connections, "available") is { } available
            ? ((int)Math.Min(int.MaxValue, current), (int)Math.Min(int.MaxValue, current + available))
            : null;

    // A value that is not a number of connections (NaN, below zero, a text) counts as missing.
    private static long? Number(BsonDocument connections, string name) =>
        connections.GetValue(name, BsonNull.Value) is { IsNumeric: true } value && value.ToDouble() is >= 0 and <= int.MaxValue ? (long)value.ToDouble() : null;

    /// <summary>The connections by user; those without a user have not logged in, including drivers that watch the server.</summary>
    public static IReadOnlyList<UserConnections> ReadUsers(BsonDocument reply)
    {
        var users = new List<UserConnections>();
        foreach (var row in reply["cursor"]["firstBatch"].AsBsonArray.OfType<BsonDocument>())
        {
            var open = row["open"].ToInt32();
            users.Add(new(row.GetValue("_id", BsonNull.Value) is BsonString name ? name.Value : null, open, open));
        }

        return users;
    }

    /// <summary>
    /// Combines the two. Connections that exist and have no user in the list belong to somebody, and count (law L2).
    /// </summary>
    public static ConnectionSample Sample((int Current, int Limit)? status, IReadOnlyList<UserConnections> users, int limit)
    {
        var unseen = (status?.Current ?? 0) - users.Sum(user => user.Open);
        return new(limit, Reserved: 0, DatabaseLimit: null, unseen > 0 ? [.. users, new(null, unseen, unseen)] : users);
    }
}
