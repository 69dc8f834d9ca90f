using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Databases.MongoDb;
using Broker.Core.Model;
using Broker.Core.Operators;
using Broker.Tests.Contracts;
using Microsoft.Extensions.Logging.Abstractions;
using MongoDB.Bson;
using MongoDB.Driver;
using Xunit;

namespace Broker.Tests.Databases;

/// <summary>The contract on the server that BROKER_TEST_MONGODB names, or on MongoDB in a container.</summary>
public sealed class MongoDbEngineTests(SharedServers servers) : DatabaseEngineContract
{
    /// <summary>
    /// The variable that names a running MongoDB, or a server that speaks its protocol, for the tests, as a URI:
    /// <c>mongodb://admin:password@host:27017/?authSource=admin</c>. Its user needs the role <c>root</c>, or
    /// <c>userAdminAnyDatabase</c>, <c>readWriteAnyDatabase</c> and <c>clusterAdmin</c>.
    /// </summary>
    public const string Variable = "BROKER_TEST_MONGODB";

    protected override async Task<EngineBench> SetUpAsync()
    {
        var uri = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named ? named : (await servers.MongoDbAsync())?.AdminConnectionString;
        Assert.SkipWhen(uri is null, $"No Docker engine answers and {Variable} names no MongoDB server (mongodb://admin:password@host:27017/?authSource=admin).");
        return await Bench.StartAsync(uri);
    }

    private sealed record Bench(MongoDbEngine Mongo, MongoClient Client, int Limit, Database Database, string UserPrefix)
        : EngineBench(Mongo, Database, UserPrefix)
    {
        private readonly List<MongoClient> sessions = [];

        public static async Task<Bench> StartAsync(string uri)
        {
            var client = new MongoClient(uri);
            var status = await client.GetDatabase("admin").RunCommandAsync<BsonDocument>(new BsonDocument("serverStatus", 1), cancellationToken: Cancellation);
            var connections = status["connections"];
            var (name, server) = ($"t{Guid.NewGuid():N}"[..16], MongoUrl.Create(uri).Server);
            var database = new Database
            {
                Name = "orders",
                Engine = DatabaseEngineKind.MongoDb,
                Host = server.Host,
                Port = server.Port,
                DatabaseName = name,
                AdminConnectionString = new(uri),
                Budget = new(),
                Issuing = new(),
            };
            return new(new MongoDbEngine(NullLogger<MongoDbEngine>.Instance, TimeProvider.System), client, connections["current"].ToInt32() + connections["available"].ToInt32(), database, name + "-");
        }

        public override (int Limit, int Reserved) Limits => (Limit, 0);

        public override bool UsersEnd => false;

        public override bool SessionsOutliveUsers => false;

        public override bool ShutOutClosesConnections => false;

        public override bool HasStaticRoles => false;

        public override bool DatabasesAreMade => false;

        public override Database Gone => Database with { Host = "127.0.0.1", Port = 1, AdminConnectionString = new("mongodb://x:y@127.0.0.1:1/?authSource=admin") };

        public override string RefusedStatement => """{"noSuchCommand":1}""";

        // SCRAM-SHA-256 knows no characters that are younger than Unicode 3.2 (RFC 4013, 2.5).
        public override string Taken(string password) => password.Replace("🔑", "", StringComparison.Ordinal);

        public override IReadOnlyList<string> CreateUser(Login login, DateTimeOffset validUntil) =>
            [$$"""{"db":"admin","roles":[{"role":"readWrite","db":"{{Database.DatabaseName}}"}]}"""];

        public override async Task<Func<Task<bool>>> OpenSessionAsync(Login login)
        {
            var client = new MongoClient(Mongo.Describe(Database, login, 1).Uri);
            sessions.Add(client);
            await FindAsync(client);
            return async () =>
            {
                try
                {
                    await FindAsync(client);
                    return true;
                }
                catch (Exception exception) when (exception is MongoException or TimeoutException)
                {
                    return false;
                }
            };
        }

        public override async Task<IReadOnlyDictionary<string, string>> WhoAmIAsync(ConnectionStrings strings) => new Dictionary<string, string>
        {
            ["uri"] = await WhoAsync(strings.Uri!),
            ["adoNet"] = await WhoAsync(strings.AdoNet),
            ["jdbc"] = await WhoAsync(strings.Jdbc!["jdbc:".Length..]),
            ["go"] = await WhoAsync(strings.Go!),
            ["python"] = await WhoAsync(strings.Python!),
        };

        public override async ValueTask DisposeAsync()
        {
            foreach (var session in sessions)
                session.Dispose();
            foreach (var user in await Mongo.FindUsersAsync(Database, UserPrefix, CancellationToken.None))
                await Mongo.DropUserAsync(Database, user.Username, [], null, CancellationToken.None);
            await Client.DropDatabaseAsync(Database.DatabaseName, CancellationToken.None);
            Mongo.Dispose();
            Client.Dispose();
        }

        private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

        private async Task FindAsync(MongoClient client) =>
            await client.GetDatabase(Database.DatabaseName).GetCollection<BsonDocument>("things").Find(FilterDefinition<BsonDocument>.Empty).FirstOrDefaultAsync(Cancellation);

        private static async Task<string> WhoAsync(string uri)
        {
            using var client = new MongoClient(uri);
            var status = await client.GetDatabase("admin").RunCommandAsync<BsonDocument>(new BsonDocument("connectionStatus", 1), cancellationToken: Cancellation);
            return status["authInfo"]["authenticatedUsers"][0]["user"].AsString;
        }
    }
}
