using System.Net;
using System.Text.Json.Nodes;
using LoadTests.Servers.LocalServers;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Failure;

/// <summary>
/// Real brokers whose databases <c>orders</c> and <c>billing</c> are on one real server of 60 connections: together they are never promised
/// more than it has, whatever the names by which it is reached (law L2).
/// </summary>
public sealed class OneServerTests : BrokersOfOneServer
{
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
    public async Task L2_Several_replicas_over_Redis_do_not_promise_more_than_the_server_has()
    {
        await using var postgres = await LocalPostgres.StartAsync(new() { MaxConnections = 60 }, Cancellation);
        await using var redis = await LocalRedis.StartAsync(cancellation: Cancellation);
        var replicas = new List<HttpClient>();
        for (var i = 0; i < 3; i++) replicas.Add(await BrokerAsync(redis.ConnectionString, OnPostgres(postgres, "127.0.0.1"), OnPostgres(postgres, "localhost")));
        await PromisedAsync(replicas, 57);
    }

    [Fact]
    public async Task L2_Two_databases_are_promised_no_more_than_their_PostgreSQL_has_when_its_identity_cannot_be_read()
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
    public async Task L2_Two_databases_of_one_MariaDB_are_promised_no_more_than_it_has()
    {
        await using var mariaDb = await LocalMariaDb.StartAsync(new() { MaxConnections = 60 }, Cancellation);
        var broker = await BrokerAsync(null, OnMariaDb(mariaDb), OnMariaDb(mariaDb, "localhost"), CreationOn(mariaDb));
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
            var token = Identity.PodToken(Interlocked.Increment(ref pod));
            var connections = 0;
            await Eventually.HoldsAsync(
                async () =>
                {
                    var (status, body) = await SendAsync(replica, HttpMethod.Post, $"/api/v1/roles/{role}/credentials", token, wait: 2);
                    if (status == HttpStatusCode.OK) connections = (int)body["connections"]!;
                    return status == HttpStatusCode.OK || (string?)body["code"] == "budget-exhausted";
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
        var (status, body) = await SendAsync(broker, HttpMethod.Get, "/api/v1/budgets", Identity.ViewerToken());
        status.ShouldBe(HttpStatusCode.OK);
        return [.. body["budgets"]!.AsArray().Select(budget => budget!.AsObject())];
    }

    private Task<HttpClient> BrokerAsync(string? redis, JsonObject orders, JsonObject billing, params string[] creation)
    {
        JsonObject With(JsonObject database)
        {
            database["Budget"] = new JsonObject { ["CeilingPercent"] = 100, ["StaleAfter"] = "00:01:00" };
            database["Issuing"] = new JsonObject { ["UsersPerSecond"] = 20, ["Burst"] = 20 };
            return database;
        }

        JsonObject Sized(string database)
        {
            var role = Role(database, creation);
            role["Connections"] = new JsonObject { ["Default"] = 4, ["Min"] = 1, ["Max"] = 10 };
            return role;
        }

        return StartAsync(
            "keys",
            redis is null ? null : new JsonObject { ["Kind"] = "Redis", ["ConnectionString"] = redis },
            new JsonObject { ["orders"] = With(orders), ["billing"] = With(billing) },
            new JsonObject { ["orders-api"] = Sized("orders"), ["billing-api"] = Sized("billing") });
    }
}
