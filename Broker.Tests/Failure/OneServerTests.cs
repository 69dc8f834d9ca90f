using System.Text.Json.Nodes;
using LoadTests.Servers.LocalServers;
using MySqlConnector;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Failure;

/// <summary>
/// Real brokers whose databases <c>orders</c> and <c>billing</c> are on one real server of 60 connections: together they are never promised
/// more than it has, whatever the names by which it is reached (law L2).
/// </summary>
public sealed class OneServerTests : IAsyncLifetime
{
    private readonly List<LocalBroker> brokers = [];
    private readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("broker-one-server-");
    private LocalIdentity identity = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => identity = await LocalIdentity.StartAsync();

    public async ValueTask DisposeAsync()
    {
        foreach (var broker in brokers) await broker.DisposeAsync();
        await identity.DisposeAsync();
        directory.Delete(recursive: true);
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("localhost")]
    public async Task L2_Two_databases_of_one_PostgreSQL_are_promised_no_more_than_it_has(string alias)
    {
        await using var postgres = await LocalPostgres.StartAsync(new() { MaxConnections = 60 }, Cancellation);
        var broker = await BrokerAsync(null, OnPostgres(postgres, "127.0.0.1"), OnPostgres(postgres, alias));
        await PromisedAsync([broker], 57);
    }

    [Fact]
    public async Task L2_Nor_by_several_replicas_over_Redis()
    {
        await using var postgres = await LocalPostgres.StartAsync(new() { MaxConnections = 60 }, Cancellation);
        await using var redis = await LocalRedis.StartAsync(cancellation: Cancellation);
        var replicas = new List<HttpClient>();
        for (var i = 0; i < 3; i++) replicas.Add(await BrokerAsync(redis.ConnectionString, OnPostgres(postgres, "127.0.0.1"), OnPostgres(postgres, "localhost")));
        await PromisedAsync(replicas, 57);
    }

    [Fact]
    public async Task L2_Nor_those_of_one_PostgreSQL_whose_administrator_may_not_read_what_it_is()
    {
        await using var postgres = await LocalPostgres.StartAsync(new() { MaxConnections = 60 }, Cancellation);
        await using (var source = NpgsqlDataSource.Create(postgres.AdminConnectionString))
        {
            await using var command = source.CreateCommand(
                """
                REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC;
                CREATE ROLE plain LOGIN CREATEROLE PASSWORD 'plain';
                GRANT pg_monitor TO plain;
                """);
            await command.ExecuteNonQueryAsync(Cancellation);
        }

        var plain = new NpgsqlConnectionStringBuilder(postgres.AdminConnectionString) { Username = "plain", Password = "plain" }.ConnectionString;
        var broker = await BrokerAsync(null, OnPostgres(postgres, "127.0.0.1", plain), OnPostgres(postgres, "127.0.0.1", plain));
        await PromisedAsync([broker], 57);
    }

    [Fact]
    public async Task L2_Nor_those_of_one_MariaDB()
    {
        await using var mariaDb = await LocalMariaDb.StartAsync(new() { MaxConnections = 60 }, Cancellation);
        JsonObject On(string host) => new()
        {
            ["Engine"] = "MySql",
            ["Host"] = host,
            ["Port"] = mariaDb.Port,
            ["Name"] = mariaDb.Database,
            ["AdminConnectionString"] = new MySqlConnectionStringBuilder(mariaDb.AdminConnectionString) { Server = host }.ConnectionString,
        };
        var broker = await BrokerAsync(null, On("127.0.0.1"), On("localhost"), "CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'", $"GRANT SELECT ON {mariaDb.Database}.* TO '{{{{name}}}}'@'%'");
        await PromisedAsync([broker], 60);
    }

    // Pods of both databases ask until nothing is free any more: together they have nearly all, and never more.
    private async Task PromisedAsync(IReadOnlyList<HttpClient> replicas, int usable)
    {
        await Eventually.HoldsAsync(async () => (await BudgetsAsync(replicas[0])).All(budget => !(bool)budget["stale"]!), "both databases are counted", Cancellation);
        (await BudgetsAsync(replicas[0])).Select(budget => (string)budget["server"]!).Distinct().ShouldHaveSingleItem();
        var pod = 0;
        var asked = Enumerable.Range(0, 40).Select(async nth =>
        {
            var replica = replicas[nth % replicas.Count];
            var role = nth % 2 == 0 ? "orders-api" : "billing-api";
            var token = identity.PodToken(Interlocked.Increment(ref pod));
            var connections = 0;
            await Eventually.HoldsAsync(
                async () =>
                {
                    using var request = new HttpRequestMessage(HttpMethod.Post, $"/api/v1/roles/{role}/credentials");
                    request.Headers.Authorization = new("Bearer", token);
                    request.Headers.Add("Prefer", "wait=2");
                    using var response = await replica.SendAsync(request, Cancellation);
                    var body = JsonNode.Parse(await response.Content.ReadAsStringAsync(Cancellation))!.AsObject();
                    if (response.IsSuccessStatusCode) connections = (int)body["connections"]!;
                    return response.IsSuccessStatusCode || (string?)body["code"] == "budget-exhausted";
                },
                "it is granted, or nothing is free",
                Cancellation);
            return connections;
        }).ToArray();
        var granted = await Task.WhenAll(asked);
        granted.Sum().ShouldBeLessThanOrEqualTo(usable);
        granted.Sum().ShouldBeGreaterThan(usable / 2, "most of it can be had");
        foreach (var budget in await BudgetsAsync(replicas[0]))
            ((int)budget["granted"]! + (int)budget["elsewhereOnServer"]!).ShouldBe(granted.Sum());
    }

    private async Task<JsonObject[]> BudgetsAsync(HttpClient broker)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/budgets");
        request.Headers.Authorization = new("Bearer", identity.ViewerToken());
        using var response = await broker.SendAsync(request, Cancellation);
        response.EnsureSuccessStatusCode();
        return [.. JsonNode.Parse(await response.Content.ReadAsStringAsync(Cancellation))!["budgets"]!.AsArray().Select(budget => budget!.AsObject())];
    }

    private static JsonObject OnPostgres(LocalPostgres postgres, string host, string? admin = null) => new()
    {
        ["Engine"] = "PostgreSql",
        ["Host"] = host,
        ["Port"] = postgres.Port,
        ["Name"] = postgres.Database,
        ["AdminConnectionString"] = new NpgsqlConnectionStringBuilder(admin ?? postgres.AdminConnectionString) { Host = host }.ConnectionString,
    };

    private async Task<HttpClient> BrokerAsync(
        string? redis, JsonObject orders, JsonObject billing, params string[] creation)
    {
        if (creation.Length == 0) creation = ["CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"];
        JsonObject With(JsonObject database)
        {
            database["Budget"] = new JsonObject { ["CeilingPercent"] = 100, ["StaleAfter"] = "00:01:00" };
            database["Issuing"] = new JsonObject { ["UsersPerSecond"] = 20, ["Burst"] = 20 };
            return database;
        }

        JsonObject Role(string database) => new()
        {
            ["Database"] = database,
            ["Issuer"] = "here",
            ["Connections"] = new JsonObject { ["Default"] = 4, ["Min"] = 1, ["Max"] = 10 },
            ["CreationStatements"] = new JsonArray([.. creation.Select(statement => (JsonNode)statement)]),
            ["Allow"] = new JsonArray(new JsonObject { ["Issuer"] = "local", ["Claims"] = new JsonObject { ["namespace"] = "orders" } }),
        };

        var configuration = JsonNode.Parse($$"""
            { "Logging": { "LogLevel": { "Default": "Information", "Microsoft.AspNetCore": "Warning" } },
              "Broker": {
                "Audit": { "Path": "{{Path.Combine(directory.FullName, Guid.NewGuid().ToString("N") + ".jsonl")}}" },
                "Sealing": { "Directory": "{{directory.CreateSubdirectory("keys").FullName}}" },
                "Issuers": { "here": { "Kind": "BuiltIn" } },
                "Identity": {
                  "Issuers": { "local": { "Authority": "{{identity.Authority.OriginalString}}", "Audience": "broker" } },
                  "Viewers": [ { "Issuer": "local", "Claims": { "groups": "{{LocalIdentity.Viewers}}" } } ] } } }
            """)!.AsObject();
        var broker = configuration["Broker"]!;
        broker["Databases"] = new JsonObject { ["orders"] = With(orders), ["billing"] = With(billing) };
        broker["Roles"] = new JsonObject { ["orders-api"] = Role("orders"), ["billing-api"] = Role("billing") };
        if (redis is not null) broker["Ledger"] = new JsonObject { ["Kind"] = "Redis", ["ConnectionString"] = redis };
        var started = await LocalBroker.StartAsync(new() { Configuration = configuration });
        brokers.Add(started);
        return new HttpClient { BaseAddress = started.Address, Timeout = TimeSpan.FromMinutes(1) };
    }
}
