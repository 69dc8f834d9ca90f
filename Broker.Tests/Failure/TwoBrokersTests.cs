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
public sealed class TwoBrokersTests : IAsyncLifetime
{
    private readonly List<LocalBroker> brokers = [];
    private readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("broker-two-");
    private LocalIdentity identity = null!;
    private LocalRedis redis = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        identity = await LocalIdentity.StartAsync();
        redis = await LocalRedis.StartAsync(cancellation: Cancellation);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var broker in brokers) await broker.DisposeAsync();
        await redis.DisposeAsync();
        await identity.DisposeAsync();
        directory.Delete(recursive: true);
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
        var on = new JsonObject
        {
            ["Engine"] = "MySql",
            ["Host"] = "127.0.0.1",
            ["Port"] = mariaDb.Port,
            ["Name"] = mariaDb.Database,
            ["AdminConnectionString"] = mariaDb.AdminConnectionString,
        };
        string[] creation = ["CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'", $"GRANT SELECT ON {mariaDb.Database}.* TO '{{{{name}}}}'@'%'"];
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
        await brokers[0].DisposeAsync();
        brokers.Clear();
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
            var listed = await SendAsync(broker, HttpMethod.Get, "/api/v1/leftovers", identity.ViewerToken(), null);
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
                var (status, body) = await SendAsync(broker, HttpMethod.Post, "/api/v1/roles/orders-api/credentials", identity.PodToken(1), new());
                if (status == HttpStatusCode.OK) granted = body["credentials"]!.AsObject();
                return granted is not null;
            },
            "it is granted",
            Cancellation);
        return ((string)granted!["username"]!, (string)granted["password"]!);
    }

    private async Task<(HttpStatusCode Status, string Detail)> DropAsync(HttpClient broker, string user)
    {
        var (status, body) = await SendAsync(broker, HttpMethod.Delete, $"/api/v1/leftovers/orders/{user}", identity.OperatorToken(), new() { ["reason"] = "it looks like a leftover" });
        return (status, (string?)body["detail"] ?? "");
    }

    private static async Task<(HttpStatusCode Status, JsonObject Body)> SendAsync(HttpClient broker, HttpMethod method, string path, string token, JsonObject? body)
    {
        using var request = new HttpRequestMessage(method, path);
        request.Headers.Authorization = new("Bearer", token);
        if (body is not null) request.Content = new StringContent(body.ToJsonString(), System.Text.Encoding.UTF8, "application/json");
        using var response = await broker.SendAsync(request, Cancellation);
        var text = await response.Content.ReadAsStringAsync(Cancellation);
        return (response.StatusCode, text.Length > 0 ? JsonNode.Parse(text)!.AsObject() : []);
    }

    private static JsonObject OnPostgres(LocalPostgres postgres) => new()
    {
        ["Engine"] = "PostgreSql",
        ["Host"] = "127.0.0.1",
        ["Port"] = postgres.Port,
        ["Name"] = postgres.Database,
        ["AdminConnectionString"] = postgres.AdminConnectionString,
    };

    private async Task<HttpClient> BrokerAsync(string prefix, JsonObject database, string[]? former = null, string[]? creation = null)
    {
        creation ??= ["CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"];
        var own = directory.CreateSubdirectory(prefix);
        var rule = $$"""{ "Issuer": "local", "Claims": { "groups": """;
        var configuration = JsonNode.Parse($$"""
            { "Logging": { "LogLevel": { "Default": "Information", "Microsoft.AspNetCore": "Warning" } },
              "Broker": {
                "Ledger": { "Kind": "Redis", "ConnectionString": "{{redis.ConnectionString}}", "Prefix": "{{prefix}}", "FormerMarks": [{{string.Join(", ", (former ?? []).Select(mark => $"\"{mark}\""))}}] },
                "Audit": { "Path": "{{Path.Combine(own.FullName, "audit.jsonl")}}" },
                "Sealing": { "Directory": "{{own.CreateSubdirectory("keys").FullName}}" },
                "Issuers": { "here": { "Kind": "BuiltIn" } },
                "Identity": {
                  "Issuers": { "local": { "Authority": "{{identity.Authority.OriginalString}}", "Audience": "broker" } },
                  "Viewers": [ {{rule}}"{{LocalIdentity.Viewers}}" } } ],
                  "Operators": [ {{rule}}"{{LocalIdentity.Operators}}" } } ] } } }
            """)!.AsObject();
        var broker = configuration["Broker"]!;
        broker["Databases"] = new JsonObject { ["orders"] = database.DeepClone() };
        broker["Roles"] = new JsonObject
        {
            ["orders-api"] = new JsonObject
            {
                ["Database"] = "orders",
                ["Issuer"] = "here",
                ["CreationStatements"] = new JsonArray([.. creation.Select(statement => (JsonNode)statement)]),
                ["Allow"] = new JsonArray(new JsonObject { ["Issuer"] = "local", ["Claims"] = new JsonObject { ["namespace"] = "orders" } }),
            },
        };
        var started = await LocalBroker.StartAsync(new() { Configuration = configuration });
        brokers.Add(started);
        return new HttpClient { BaseAddress = started.Address, Timeout = TimeSpan.FromMinutes(1) };
    }
}
