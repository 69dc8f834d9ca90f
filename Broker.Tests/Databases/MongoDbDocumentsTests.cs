using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Databases.MongoDb;
using Broker.Core.Model;
using Broker.Core.Operators;
using Microsoft.Extensions.Logging.Abstractions;
using MongoDB.Bson;
using MongoDB.Driver;
using Shouldly;
using Xunit;

namespace Broker.Tests.Databases;

/// <summary>What the engine sends to MongoDB and makes of what comes back, without a server.</summary>
public sealed class MongoDbDocumentsTests
{
    private static readonly Database Orders = new()
    {
        Name = "orders",
        Engine = DatabaseEngineKind.MongoDb,
        Host = "orders-db",
        Port = 27017,
        DatabaseName = "app",
        AdminConnectionString = new("mongodb://admin:hush@orders-db:27017/?authSource=admin"),
        Budget = new(),
        Issuing = new(),
    };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public void Roles_are_written_as_createUser_takes_them()
    {
        var statement = UserStatement.OfCreation(["""{"db":"admin","roles":[{"role":"readWrite","db":"app"},{"role":"read"}]}"""]);

        statement.Database.ShouldBe("admin");
        UserCommands.Create(new("b-orders", new("pw")), statement).ShouldBe(BsonDocument.Parse(
            """{ "createUser": "b-orders", "pwd": "pw", "roles": [ { "role": "readWrite", "db": "app" }, "read" ] }"""));
    }

    [Fact]
    public void Names_of_members_are_read_in_any_case_as_Go_reads_them_and_what_else_createUser_takes_goes_with_it()
    {
        var statement = UserStatement.OfCreation(
            ["""{"DB":"app","Roles":[{"Role":"read","Db":""}],"authenticationRestrictions":[{"clientSource":["10.0.0.0/8"]}],"mechanisms":["SCRAM-SHA-256"],"customData":{"team":"orders"}}"""]);

        statement.Database.ShouldBe("app");
        UserCommands.Create(new("u", new("pw")), statement).ShouldBe(BsonDocument.Parse(
            """{ "createUser": "u", "pwd": "pw", "roles": [ "read" ], "authenticationRestrictions": [ { "clientSource": [ "10.0.0.0/8" ] } ], "customData": { "team": "orders" }, "mechanisms": [ "SCRAM-SHA-256" ] }"""));
    }

    [Fact]
    public void The_database_of_a_statement_is_admin_unless_it_says_another()
    {
        UserStatement.Parse("""{"roles":[{"role":"read"}]}""").Database.ShouldBe("admin");
        UserStatement.Parse("""{"db":"app"}""").Database.ShouldBe("app");
    }

    [Theory]
    [InlineData("CREATE USER", "not a JSON")]
    [InlineData("[]", "Array where an object")]
    [InlineData("""{"db":"admin","roles":[]}""", "no \"roles\"")]
    [InlineData("""{"db":"admin"}""", "no \"roles\"")]
    [InlineData("""{"roles":[{"db":"app"}]}""", "no \"role\"")]
    [InlineData("""{"roles":["readWrite"]}""", "String where an object")]
    [InlineData("""{"roles":[{"role":"read"}],"passwordDigestor":"client"}""", "\"passwordDigestor\" is not known")]
    [InlineData("""{"roles":{"role":"read"}}""", "\"roles\" is not a list")]
    [InlineData("""{"roles":[{"role":"read","db":5}]}""", "\"db\" is not a string")]
    [InlineData("""{"roles":null}""", "\"roles\" is not a list")]
    public async Task A_statement_that_is_something_else_is_refused_before_a_server_is_asked(string statement, string why)
    {
        using var engine = new MongoDbEngine(NullLogger<MongoDbEngine>.Instance, TimeProvider.System);

        var refusal = await Should.ThrowAsync<DatabaseException>(() => engine.CreateUserAsync(Orders, new("u", new("pw")), [statement], null, Cancellation));

        refusal.Failure.ShouldBe(DatabaseFailure.StatementRefused);
        refusal.Message.ShouldContain(why);
        refusal.Message.ShouldContain("\"role\":\"readWrite\"", customMessage: "it says what to write");
    }

    [Fact]
    public async Task A_user_is_not_made_where_nobody_would_look_for_it()
    {
        using var engine = new MongoDbEngine(NullLogger<MongoDbEngine>.Instance, TimeProvider.System);

        var refusal = await Should.ThrowAsync<DatabaseException>(
            () => engine.CreateUserAsync(Orders, new("u", new("pw")), ["""{"db":"app","roles":[{"role":"readWrite"}]}"""], null, Cancellation));

        refusal.Message.ShouldContain("AuthSource");
    }

    [Fact]
    public void The_limit_is_what_is_there_and_what_is_available()
    {
        ConnectionCount.ReadStatus(BsonDocument.Parse("""{ "connections": { "current": 17, "available": 838843, "totalCreated": { "$numberLong": "99" }, "active": 3 }, "ok": 1.0 }"""))
            .ShouldBe((17, 838860));
        ConnectionCount.ReadStatus(BsonDocument.Parse("""{ "connections": { "current": { "$numberLong": "5" }, "available": 5.0 } }""")).ShouldBe((5, 10));
        ConnectionCount.ReadStatus(BsonDocument.Parse("""{ "version": "7.0.42", "ok": 1.0 }""")).ShouldBeNull();
        ConnectionCount.ReadStatus(BsonDocument.Parse("""{ "connections": { "current": 5 } }""")).ShouldBeNull();
        ConnectionCount.ReadStatus(BsonDocument.Parse("""{ "connections": 5 }""")).ShouldBeNull();
        ConnectionCount.ReadStatus(BsonDocument.Parse("""{ "connections": { "current": "5", "available": 5 } }""")).ShouldBeNull();
        ConnectionCount.ReadStatus(BsonDocument.Parse("""{ "connections": { "current": -1, "available": 5 } }""")).ShouldBeNull();
        ConnectionCount.ReadStatus(BsonDocument.Parse("""{ "connections": { "current": NaN, "available": 5 } }""")).ShouldBeNull();
    }

    [Fact]
    public void L2_Connections_that_nobody_can_be_named_for_count_too()
    {
        var users = ConnectionCount.ReadUsers(BsonDocument.Parse(
            """{ "cursor": { "id": 0, "ns": "admin.$cmd.aggregate", "firstBatch": [ { "_id": "b-orders", "open": 5 }, { "_id": null, "open": 2 } ] }, "ok": 1.0 }"""));

        users.ShouldBe([new("b-orders", 5, 5), new(null, 2, 2)]);
        ConnectionCount.Sample((9, 100), users, 100).Users.Sum(user => user.Open).ShouldBe(9);
        ConnectionCount.Sample((9, 100), [], 100).Users.ShouldBe([new(null, 9, 9)], "a server that names no users");
        ConnectionCount.Sample(null, users, limit: 50).Limit.ShouldBe(50, "a server that tells no limit");
    }

    [Fact]
    public void Names_are_found_by_their_beginning_and_replies_of_other_shapes_name_nobody()
    {
        var reply = BsonDocument.Parse("""{ "users": [ { "_id": "admin.b-a", "user": "b-a", "db": "admin", "roles": [] }, { "user": "B-a" }, { "user": "c" }, { } ], "ok": 1.0 }""");

        UserCommands.ReadNames(reply, "b-").ShouldBe(["b-a"]);
        UserCommands.ReadNames(new BsonDocument("ok", 1), "").ShouldBeEmpty();
    }

    [Fact]
    public void Dropping_and_shutting_out_are_the_documented_commands()
    {
        UserCommands.Drop("u").ShouldBe(BsonDocument.Parse("""{ "dropUser": "u" }"""));
        UserCommands.Disarm("u", new("x")).ShouldBe(BsonDocument.Parse("""{ "updateUser": "u", "pwd": "x", "roles": [] }"""));
        UserCommands.KillSessions("u", "admin").ShouldBe(BsonDocument.Parse("""{ "killAllSessions": [ { "user": "u", "db": "admin" } ] }"""));
    }

    [Theory]
    [InlineData("mongodb://admin:hush@orders-db:27017/", "mongodb://u%40:p%2F%3F@orders-db:27017/app?authSource=admin&maxPoolSize=5")]
    [InlineData("mongodb://admin:hush@elsewhere:27018/?replicaSet=rs0", "mongodb://u%40:p%2F%3F@orders-db:27017/app?authSource=admin&maxPoolSize=5")]
    [InlineData(
        "mongodb://admin:hush@orders-db:27017,orders-db2:27018/?replicaSet=rs0&tls=true&retryWrites=false",
        "mongodb://u%40:p%2F%3F@orders-db:27017,orders-db2:27018/app?authSource=admin&maxPoolSize=5&replicaSet=rs0&tls=true&retryWrites=false")]
    [InlineData("mongodb+srv://admin:hush@orders-db/?authSource=admin", "mongodb+srv://u%40:p%2F%3F@orders-db/app?authSource=admin&maxPoolSize=5")]
    public void Pods_get_the_administrators_replica_set_where_they_connect_to_it(string administrator, string uri)
    {
        var host = administrator.Contains("srv", StringComparison.Ordinal) ? "orders-db.example.com" : "orders-db";
        using var engine = new MongoDbEngine(NullLogger<MongoDbEngine>.Instance, TimeProvider.System);

        var strings = engine.Describe(
            Orders with { Host = host, AdminConnectionString = new(administrator.Replace("orders-db/", host + "/", StringComparison.Ordinal)) }, new("u@", new("p/?")), 5);

        strings.Uri.ShouldBe(uri.Replace("orders-db/", host + "/", StringComparison.Ordinal));
        strings.AdoNet.ShouldBe(strings.Uri);
        strings.Jdbc.ShouldBe("jdbc:" + strings.Uri);
    }

    [Theory]
    [InlineData("mongodb://admin:hush@ORDERS-DB:27017,orders-db2:27017/?replicaSet=rs0&readPreference=nearest&readPreferenceTags=dc:ny,rack:1&readPreferenceTags=dc:ny&w=2&wtimeoutMS=500",
        "&replicaSet=rs0&readPreference=nearest&readPreferenceTags=dc:ny,rack:1&readPreferenceTags=dc:ny&w=2&wtimeoutMS=500")]
    [InlineData("mongodb://admin:hush@orders-db:27017/?authMechanism=MONGODB-X509&authSource=%24external&tls=true&tlsCAFile=/ca.pem", "&tls=true")]
    [InlineData("mongodb://admin:hush@orders-db:27017/?authMechanism=scram-sha-1", "&authMechanism=scram-sha-1")]
    [InlineData("mongodb://admin:hush@orders-db:27017/?directConnection=true&ssl=true&tlsAllowInvalidCertificates=true", "&directConnection=true&tls=true&tlsInsecure=true")]
    [InlineData("mongodb://admin:hush@orders-db:27017/?tls=true&tlsAllowInvalidHostnames=true&retryReads=false&journal=true", "&tls=true&tlsAllowInvalidHostnames=true&retryReads=false&journal=true")]
    [InlineData("mongodb://admin:hush@orders-db:27017/?loadBalanced=true&compressors=zstd&maxPoolSize=99&minPoolSize=9&appName=dba&socketTimeoutMS=1", "&loadBalanced=true")]
    public void Whatever_reaches_the_server_goes_to_pods_and_what_is_the_administrators_own_does_not(string administrator, string more)
    {
        using var engine = new MongoDbEngine(NullLogger<MongoDbEngine>.Instance, TimeProvider.System);

        var uri = engine.Describe(Orders with { AdminConnectionString = new(administrator) }, new("u", new("p")), 5).Uri!;

        uri[uri.IndexOf('?', StringComparison.Ordinal)..].ShouldBe("?authSource=admin&maxPoolSize=5" + more);
    }

    [Theory]
    [InlineData("tls=true", PodSslMode.Disable, false, false)] // as the pods connect, though the administrator encrypts
    [InlineData("tlsCAFile=/no/such/file.pem", PodSslMode.Disable, false, false)]
    [InlineData("journal=true", PodSslMode.VerifyFull, true, true)] // the broker has no files to verify by
    [InlineData("tls=false", PodSslMode.VerifyCA, true, true)]
    [InlineData("tls=true", PodSslMode.VerifyFull, true, false)]
    [InlineData("tls=true&tlsInsecure=true", PodSslMode.VerifyFull, true, true)]
    [InlineData("tls=true&tlsInsecure=true", null, true, true)]
    [InlineData("journal=true", null, false, false)]
    public void A_login_is_tried_with_the_pods_encryption_and_verified_no_further_than_the_broker_can(string administrator, PodSslMode? pods, bool encrypted, bool unverified)
    {
        var settings = MongoDbEngine.LoginSettings(
            Orders with { AdminConnectionString = new("mongodb://admin:hush@orders-db:27017/?authSource=admin&" + administrator), Pods = new() { SslMode = pods } }, new("u", new("p")));

        (settings.UseTls, settings.AllowInsecureTls).ShouldBe((encrypted, unverified));
        (settings.Credential.Username, settings.Credential.Mechanism).ShouldBe(("u", null));
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("p@ss:w/ord?#[]!&=+%41 ;,")]
    [InlineData("it's \"quoted\" {braces} \\back\\ $1 ${x}")]
    [InlineData(" pässwörd 密码 🔑 ")]
    public void The_driver_reads_from_the_URI_what_was_put_in(string password)
    {
        using var engine = new MongoDbEngine(NullLogger<MongoDbEngine>.Instance, TimeProvider.System);

        var read = MongoUrl.Create(engine.Describe(Orders, new("us er@x:/", new(password)), 7).Uri);

        (read.Username, read.Password, read.DatabaseName, read.AuthenticationSource, read.MaxConnectionPoolSize).ShouldBe(("us er@x:/", password, "app", "admin", 7));
    }
}
