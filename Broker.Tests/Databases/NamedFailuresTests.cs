using System.Collections.Concurrent;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Databases.MongoDb;
using Broker.Core.Databases.MySql;
using Broker.Core.Databases.PostgreSql;
using Broker.Core.Model;
using Broker.Core.Operators;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using MongoDB.Bson;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Databases;

/// <summary>Whatever a driver throws, the engine names it: a call works, or fails with a <see cref="DatabaseException"/> that says what to do.</summary>
public sealed class NamedFailuresTests(SharedServers servers)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("Target Session Attributes=primary", true)]
    [InlineData("Target Session Attributes=read-write", true)]
    [InlineData("Target Session Attributes=prefer-standby", true)]
    [InlineData("Target Session Attributes=nonsense", null)]
    [InlineData("Load Balance Hosts=true", true)]
    [InlineData("Multiplexing=true", true)]
    [InlineData("Search Path=nowhere", true)]
    [InlineData("Timezone=Nowhere/Nothing", false)]
    [InlineData("Options=-c no_such_setting=1", false)]
    [InlineData("Client Encoding=nonsense", false)]
    [InlineData("Encoding=nonsense", null)]
    [InlineData("SSL Mode=Require", false)]
    [InlineData("SSL Mode=VerifyFull;Root Certificate=/nowhere.crt", false)]
    [InlineData("SSL Mode=Require;SSL Certificate=/nowhere.crt;SSL Key=/nowhere.key", false)]
    [InlineData("Channel Binding=Require", null)]
    [InlineData("Require Auth=GSS", null)]
    [InlineData("Host=/nowhere", false)]
    [InlineData("Host=", null)]
    [InlineData("Port=0", null)]
    [InlineData("Maximum Pool Size=0", null)]
    [InlineData("Connection Lifetime=-1", null)]
    [InlineData("Nonsense=1", false)]
    public async Task Options_of_the_administrator_on_PostgreSQL(string options, bool? works)
    {
        await using var bench = await PostgresFixture.StartAsync(await servers.PostgresAsync(), Cancellation);
        await using var engine = new PostgreSqlEngine(TimeProvider.System);
        var plain = bench.Database.AdminConnectionString.Reveal();
        if (!options.StartsWith("Host=", StringComparison.Ordinal)) plain += $";Host={bench.Database.Host};Port={bench.Database.Port}";
        await EachIsNamedAsync(engine, bench.Database with { AdminConnectionString = new($"{plain};{options}") }, works);
    }

    [Theory]
    [InlineData("")]
    [InlineData(";Target Session Attributes=primary")]
    [InlineData(";Target Session Attributes=read-write;Load Balance Hosts=true")]
    public async Task Several_hosts_of_which_one_is_gone_on_PostgreSQL(string options)
    {
        await using var bench = await PostgresFixture.StartAsync(await servers.PostgresAsync(), Cancellation);
        await using var engine = new PostgreSqlEngine(TimeProvider.System);
        var hosts = $";Host=127.0.0.1:1,{bench.Database.Host}:{bench.Database.Port}{options}";
        await EachIsNamedAsync(engine, bench.Database with { AdminConnectionString = new(bench.Database.AdminConnectionString.Reveal() + hosts) }, works: true);
    }

    [Theory]
    [InlineData("")]
    [InlineData("5")]
    [InlineData("XX000")]
    public void A_refusal_whose_code_is_none_of_PostgreSQLs_is_named_too(string code)
    {
        var refused = PostgreSqlFailure.OfStatement(Mongo("unused"), new PostgresException("not with me", "ERROR", "ERROR", code));

        refused.Failure.ShouldBe(DatabaseFailure.StatementRefused);
        refused.Message.ShouldContain("not with me");
    }

    [Theory]
    [InlineData("SslMode=VerifyCA;SslCa=/nowhere.pem", false)]
    [InlineData("SslMode=Required;CertificateFile=/nowhere.pfx", false)]
    [InlineData("SslMode=Required;SslCert=/nowhere.pem;SslKey=/nowhere.pem", false)]
    [InlineData("Load Balance=nonsense", false)]
    [InlineData("Load Balance=Random", true)]
    [InlineData("Character Set=nonsense", null)]
    [InlineData("ConnectionProtocol=UnixSocket;Server=/nowhere.sock", false)]
    [InlineData("ConnectionProtocol=NamedPipe", false)]
    [InlineData("Maximum Pool Size=0", null)]
    [InlineData("TlsVersion=nonsense", false)]
    [InlineData("ServerRsaPublicKeyFile=/nowhere.pem", null)]
    [InlineData("Nonsense=1", false)]
    public async Task Options_of_the_administrator_on_MariaDB(string options, bool? works)
    {
        await using var bench = await MySqlFixture.StartAsync(MySqlServer.Of(await servers.MariaDbAsync()), Cancellation);
        await using var engine = new MySqlEngine(TimeProvider.System);
        await EachIsNamedAsync(engine, bench.Database with { AdminConnectionString = new($"{bench.Database.AdminConnectionString.Reveal()};Server={bench.Database.Host};Port={bench.Database.Port};{options}") }, works);
    }

    [Theory]
    [InlineData("mongodb://127.0.0.1:1/?tls=true&tlsCAFile=/nowhere")]
    [InlineData("mongodb://u:p@127.0.0.1:1/?authMechanism=NONSENSE")]
    [InlineData("mongodb://u:p@127.0.0.1:1/?authMechanism=GSSAPI")]
    [InlineData("mongodb://127.0.0.1:1/?replicaSet=a&directConnection=true")]
    [InlineData("mongodb://127.0.0.1:1,127.0.0.1:2/?directConnection=true")]
    [InlineData("mongodb://127.0.0.1:1/?maxPoolSize=0&minPoolSize=5")]
    [InlineData("mongodb+srv://nowhere.invalid/")]
    [InlineData("mongodb://")]
    [InlineData("postgres://x")]
    public async Task Options_of_the_administrator_on_MongoDB(string uri)
    {
        using var engine = new MongoDbEngine(NullLogger<MongoDbEngine>.Instance, TimeProvider.System);
        // Side by side: some fail only after five seconds.
        await Task.WhenAll(
            Should.ThrowAsync<DatabaseException>(() => engine.SampleAsync(Mongo(uri), Cancellation)),
            Should.ThrowAsync<DatabaseException>(() => engine.TryLoginAsync(Mongo(uri), new("u", new("p")), Cancellation)));
    }

    [Fact]
    public async Task A_serverStatus_as_FerretDB_writes_it_is_read_and_a_configured_limit_is_taken()
    {
        await using var server = new OddMongoServer(command => command.Contains("serverStatus") ? Status(new BsonDocument("totalCreated", 7)) : null);
        using var engine = new MongoDbEngine(NullLogger<MongoDbEngine>.Instance, TimeProvider.System);
        var database = Mongo($"mongodb://127.0.0.1:{server.Port}/?directConnection=true");

        (await Should.ThrowAsync<DatabaseException>(() => engine.SampleAsync(database, Cancellation))).Message.ShouldContain("Budget:Limit");
        (await engine.SampleAsync(database with { Budget = new() { Limit = 60 } }, Cancellation)).Limit.ShouldBe(60);
        (await engine.SampleAsync(database with { Budget = new() { Ceiling = 50 } }, Cancellation)).Limit.ShouldBe(50);
    }

    [Theory]
    [InlineData(false, false, false, "shows none of its connections")]
    [InlineData(true, false, true, "all of them count as foreign")]
    [InlineData(false, true, true, null)]
    [InlineData(true, true, true, null)]
    public async Task L2_A_server_that_shows_no_connections_is_told_from_one_that_has_none(bool counts, bool lists, bool shows, string? said)
    {
        await using var server = new OddMongoServer(command => command.GetElement(0).Name switch
        {
            "serverStatus" => Status(counts ? new BsonDocument { { "current", 7 }, { "available", 93 } } : new BsonDocument("totalCreated", 7)),
            "aggregate" when lists => BsonDocument.Parse("""{ "cursor": { "firstBatch": [ { "_id": "u", "open": 7 } ] }, "ok": 1.0 }"""),
            _ => null,
        });
        var log = new ConcurrentQueue<string>();
        using var logs = LoggerFactory.Create(logging => logging.AddProvider(new Told(log)));
        using var engine = new MongoDbEngine(logs.CreateLogger<MongoDbEngine>(), TimeProvider.System);
        var database = Mongo($"mongodb://127.0.0.1:{server.Port}/?directConnection=true") with { Budget = new() { Limit = 100 } };

        var sample = await engine.SampleAsync(database, Cancellation);
        await engine.SampleAsync(database, Cancellation);

        (sample.ShowsConnections, sample.Users.Sum(user => user.Open)).ShouldBe((shows, shows ? 7 : 0));
        log.Count(line => line.Contains("CeilingPercent", StringComparison.Ordinal)).ShouldBe(shows ? 0 : 1);
        log.Count(line => line.Contains("foreign", StringComparison.Ordinal)).ShouldBe(shows && !lists ? 1 : 0, "nothing counts as foreign where nothing is seen");
        if (said is not null) log.ShouldContain(line => line.Contains(said, StringComparison.Ordinal));
        (await engine.ExamineAsync(database, [], Cancellation)).Select(finding => finding.Kind).ShouldBe(shows ? [] : [FindingKind.Warning]);
    }

    // DocumentDB and FerretDB 2: https://github.com/documentdb/documentdb
    [Theory]
    [InlineData("Role updates are currently unsupported.", 115, true, null)]
    [InlineData("not authorized", 13, true, "connections that are open keep their rights")]
    [InlineData("not authorized", 13, false, "can still log in")]
    public async Task A_server_that_changes_no_roles_still_takes_the_password_away(string words, int code, bool takesPassword, string? left)
    {
        var told = new ConcurrentQueue<BsonDocument>();
        await using var server = new OddMongoServer(command =>
        {
            if (command.Contains("updateUser")) told.Enqueue(command);
            return command.GetElement(0).Name switch
            {
                "ping" => new BsonDocument("ok", 1.0),
                "connectionStatus" => BsonDocument.Parse("""{ "authInfo": { "authenticatedUsers": [ { "user": "broker", "db": "admin" } ] }, "ok": 1.0 }"""),
                "updateUser" => command.Contains("roles") || !takesPassword ? new() { { "ok", 0.0 }, { "errmsg", words }, { "code", code } } : new("ok", 1.0),
                _ => null,
            };
        });
        var log = new ConcurrentQueue<string>();
        using var logs = LoggerFactory.Create(logging => logging.AddProvider(new Told(log)));
        using var engine = new MongoDbEngine(logs.CreateLogger<MongoDbEngine>(), TimeProvider.System);

        var shutOut = () => engine.ShutOutAsync(Mongo($"mongodb://127.0.0.1:{server.Port}/?directConnection=true"), "u", Cancellation);
        if (left is null) await shutOut();
        else (await Should.ThrowAsync<DatabaseException>(shutOut)).Message.ShouldContain(left);

        told.Select(command => command.Contains("roles")).ShouldBe([true, false]);
        told.ShouldAllBe(command => command["pwd"].AsString.Length == 32);
        log.Any(line => line.Contains("does not take its roles away", StringComparison.Ordinal)).ShouldBe(left is null);
    }

    [Theory]
    [InlineData(100)]
    [InlineData(100.0)]
    [InlineData(100L)]
    public async Task A_serverStatus_with_an_element_twice_and_numbers_of_any_type_is_read(object available)
    {
        await using var server = new OddMongoServer(command => command.Contains("serverStatus") ? Status(new BsonDocument { { "current", BsonValue.Create(available) }, { "available", BsonValue.Create(available) } }) : null);
        using var engine = new MongoDbEngine(NullLogger<MongoDbEngine>.Instance, TimeProvider.System);
        var database = Mongo($"mongodb://127.0.0.1:{server.Port}/?directConnection=true");

        (await engine.SampleAsync(database, Cancellation)).Limit.ShouldBe(200);
        (await engine.SampleAsync(database with { Budget = new() { Limit = 120 } }, Cancellation)).Limit.ShouldBe(120, "the smaller counts");
    }

    [Theory]
    [InlineData("""{ "cursor": 5, "ok": 1.0 }""")]
    [InlineData("""{ "ok": 1.0 }""")]
    [InlineData("""{ "cursor": { "firstBatch": [ { "_id": "u", "open": "many" } ] }, "ok": 1.0 }""")]
    public async Task An_answer_that_cannot_be_read_is_named(string users)
    {
        await using var server = new OddMongoServer(command => command.GetElement(0).Name switch
        {
            "serverStatus" => Status(new BsonDocument { { "current", 1 }, { "available", 1 } }),
            "aggregate" => BsonDocument.Parse(users),
            _ => null,
        });
        using var engine = new MongoDbEngine(NullLogger<MongoDbEngine>.Instance, TimeProvider.System);
        (await Should.ThrowAsync<DatabaseException>(() => engine.SampleAsync(Mongo($"mongodb://127.0.0.1:{server.Port}/?directConnection=true"), Cancellation)))
            .Message.ShouldContain("could not be read");
    }

    private static BsonDocument Status(BsonDocument connections)
    {
        var status = new BsonDocument(allowDuplicateNames: true) { { "version", "7.0.77" }, { "saslContinue", 1 }, { "saslContinue", 2 } };
        status.Add("connections", connections);
        status.Add("ok", 1.0);
        return status;
    }

    private static Database Mongo(string uri) => new()
    {
        Name = "orders",
        Engine = DatabaseEngineKind.MongoDb,
        Host = "127.0.0.1",
        Port = 1,
        DatabaseName = "app",
        AdminConnectionString = new(uri),
        Budget = new(),
        Issuing = new(),
    };

    // True: everything works; false: everything is refused in words; null: either.
    private static async Task EachIsNamedAsync(IDatabaseEngine engine, Database database, bool? works)
    {
        var nobody = $"nobody-{Guid.NewGuid():N}"[..20];
        Func<Task>[] calls =
        [
            () => engine.SampleAsync(database, Cancellation),
            () => engine.FindUsersAsync(database, nobody, Cancellation),
            () => engine.RunAsync(database, ["SELECT 1"], Cancellation),
            () => engine.ShutOutAsync(database, nobody, Cancellation),
            () => engine.CountSessionsAsync(database, nobody, Cancellation),
            () => engine.DropUserAsync(database, nobody, [], null, Cancellation),
            () => engine.CapUserAsync(database, nobody, 1, Cancellation),
        ];
        foreach (var call in calls)
        {
            try
            {
                await call();
                works.ShouldNotBe(false);
            }
            catch (DatabaseException named) when (works != true)
            {
                named.Message.ShouldContain("orders");
            }
        }

        await Should.ThrowAsync<DatabaseException>(() => engine.TryLoginAsync(database, new(nobody, new("x")), Cancellation));
    }
}
