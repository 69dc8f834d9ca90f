using MongoDB.Bson;

namespace Broker.Core.Databases.MongoDb;

/// <summary>
/// The activity of a server's connections, grouped by what they have in common. An idle transaction is a session without a connection here, and
/// is not reported.
/// </summary>
internal static class SessionList
{
    private static readonly BsonDocument User = new("$ifNull", new BsonArray { new BsonDocument("$arrayElemAt", new BsonArray { "$effectiveUsers.user", 0 }), BsonNull.Value });

    private static readonly BsonDocument Busy = new("$cond", new BsonArray { "$active", 1, 0 });

    /// <summary>Asks for the connections by user, program and client; needs <c>inprog</c>, as <see cref="ConnectionCount.UsersCommand"/>.</summary>
    public static BsonDocument Command { get; } = new()
    {
        { "aggregate", 1 },
        {
            "pipeline", new BsonArray
            {
                new BsonDocument("$currentOp", new BsonDocument { { "allUsers", true }, { "idleConnections", true }, { "localOps", true } }),
                new BsonDocument("$match", new BsonDocument("connectionId", new BsonDocument("$exists", true))),
                new BsonDocument("$group", new BsonDocument
                {
                    { "_id", new BsonDocument { { "user", User }, { "program", "$appName" }, { "client", "$client" } } },
                    { "open", new BsonDocument("$sum", 1) },
                    { "busy", new BsonDocument("$sum", Busy) },
                    { "longest", new BsonDocument("$max", new BsonDocument("$cond", new BsonArray { "$active", "$secs_running", BsonNull.Value })) },
                }),
            }
        },
        { "cursor", new BsonDocument("batchSize", 10_000) },
    };

    /// <summary>Reads the reply, without the ports of clients' addresses.</summary>
    public static IReadOnlyList<OpenSessions> Read(BsonDocument reply)
    {
        var rows = reply["cursor"]["firstBatch"].AsBsonArray.OfType<BsonDocument>().Select(row =>
        {
            var key = row["_id"].AsBsonDocument;
            var open = row["open"].ToInt32();
            return new OpenSessions(
                Text(key, "user"), Text(key, "program") ?? "", HostOf(Text(key, "client") ?? ""), open, open - row["busy"].ToInt32(), 0,
                row.GetValue("longest", BsonNull.Value) is { IsNumeric: true } seconds ? TimeSpan.FromSeconds(Math.Max(0, seconds.ToDouble())) : null, null);
        });
        return
        [
            .. rows.GroupBy(row => (row.Username, row.Program, row.Address))
                .Select(alike => new OpenSessions(
                    alike.Key.Username, alike.Key.Program, alike.Key.Address, alike.Sum(row => row.Open), alike.Sum(row => row.Idle), 0, alike.Max(row => row.LongestQuery), null))
                .OrderByDescending(alike => alike.Open).ThenBy(alike => alike.Username, StringComparer.Ordinal).ThenBy(alike => alike.Program, StringComparer.Ordinal),
        ];
    }

    private static string? Text(BsonDocument document, string name) => document.GetValue(name, BsonNull.Value) is BsonString text ? text.Value : null;

    private static string HostOf(string client) => client.LastIndexOf(':') is >= 0 and var at ? client[..at].Trim('[', ']') : client;
}
