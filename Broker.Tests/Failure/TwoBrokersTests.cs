using System.Net;
using System.Text.Json.Nodes;
using LoadTests.Servers.LocalServers;
using MySqlConnector;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Failure;

/// <summary>
/// Two real brokers, each with a ledger of its own in one real Redis, issue for roles of one name on one real server: each leaves the
/// other's users alone (law L5).
/// </summary>
public sealed class TwoBrokersTests : BrokersOfOneServer
{
    private LocalRedis redis = null!;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        redis = await LocalRedis.StartAsync(cancellation: Cancellation);
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        await redis.DisposeAsync();
    }

    [Fact]
    public async Task L5_On_PostgreSQL_the_others_live_users_are_no_leftovers_and_nobody_can_drop_them_by_mistake()
    {
        await using var postgres = await LocalPostgres.StartAsync(new(), Cancellation);
        var on = OnPostgres(postgres);
        await LeavesAloneAsync(await BrokerAsync("one", on), await BrokerAsync("two", on), async login =>
        {
            await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(postgres.AdminConnectionString) { Username = login.User, Password = login.Password, Pooling = false }.ConnectionString);
            await connection.OpenAsync(Cancellation);
        });
    }

    [Fact]
    public async Task L5_On_MariaDB_the_others_live_users_are_no_leftovers_and_nobody_can_drop_them_by_mistake()
    {
        await using var mariaDb = await LocalMariaDb.StartAsync(new(), Cancellation);
        var (on, creation) = (OnMariaDb(mariaDb), CreationOn(mariaDb));
        await LeavesAloneAsync(await BrokerAsync("one", on, [], creation), await BrokerAsync("two", on, [], creation), async login =>
        {
            await using var connection = new MySqlConnection(new MySqlConnectionStringBuilder(mariaDb.AdminConnectionString) { UserID = login.User, Password = login.Password, Pooling = false }.ConnectionString);
            await connection.OpenAsync(Cancellation);
        });
    }

    [Fact]
    public async Task L5_The_users_of_a_broker_that_is_gone_are_leftovers_of_the_one_that_is_given_its_mark()
    {
        await using var postgres = await LocalPostgres.StartAsync(new(), Cancellation);
        var on = OnPostgres(postgres);
        var user = (await ClaimAsync(await BrokerAsync("gone", on))).User;
        await EndAsync();
        var mark = user[^16..^12];
        var heir = await BrokerAsync("heir", on, [mark]);
        (await DropAsync(heir, user)).Status.ShouldBe(HttpStatusCode.NoContent);
        await using var source = NpgsqlDataSource.Create(postgres.AdminConnectionString);
        await using var command = source.CreateCommand("SELECT count(*)::int FROM pg_roles WHERE rolname = $1");
        command.Parameters.AddWithValue(user);
        (await command.ExecuteScalarAsync(Cancellation)).ShouldBe(0);
    }

    private async Task LeavesAloneAsync(HttpClient one, HttpClient two, Func<(string User, string Password), Task> logInAsync)
    {
        var (first, second) = (await ClaimAsync(one), await ClaimAsync(two));
        foreach (var (broker, others) in new[] { (one, second), (two, first) })
        {
            var (status, detail) = await DropAsync(broker, others.User);
            status.ShouldBe(HttpStatusCode.NotFound);
            detail.ShouldContain("another broker");

            // It has looked: what it lists now is what it found.
            var listed = await SendAsync(broker, HttpMethod.Get, "/api/v1/leftovers", Identity.ViewerToken());
            listed.Body["leftovers"]!.AsArray().ShouldBeEmpty();
            await logInAsync(others);
        }
    }

    private async Task<(string User, string Password)> ClaimAsync(HttpClient broker)
    {
        JsonObject? granted = null;
        await Eventually.HoldsAsync(
            async () =>
            {
                var (status, body) = await SendAsync(broker, HttpMethod.Post, "/api/v1/roles/orders-api/credentials", Identity.PodToken(1), new());
                if (status == HttpStatusCode.OK) granted = body["credentials"]!.AsObject();
                return granted is not null;
            },
            "it is granted",
            Cancellation);
        return ((string)granted!["username"]!, (string)granted["password"]!);
    }

    private async Task<(HttpStatusCode Status, string Detail)> DropAsync(HttpClient broker, string user)
    {
        var (status, body) = await SendAsync(broker, HttpMethod.Delete, $"/api/v1/leftovers/orders/{user}", Identity.OperatorToken(), new() { ["reason"] = "it looks like a leftover" });
        return (status, (string?)body["detail"] ?? "");
    }

    private Task<HttpClient> BrokerAsync(string prefix, JsonObject database, string[]? former = null, string[]? creation = null) => StartAsync(
        prefix,
        new JsonObject
        {
            ["Kind"] = "Redis",
            ["ConnectionString"] = redis.ConnectionString,
            ["Prefix"] = prefix,
            ["FormerMarks"] = new JsonArray([.. (former ?? []).Select(mark => (JsonNode)mark)]),
        },
        new JsonObject { ["orders"] = database.DeepClone() },
        new JsonObject { ["orders-api"] = Role("orders", creation ?? []) });
}
