using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using Broker.Api.Fronts.Native.Budgets;
using Broker.Tests.Commands;
using LoadTests.Servers.LocalServers;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Endpoints;

/// <summary>What is seen of a pooler is the same on the page, in the API, in the metrics, on the command line, and at the real PgBouncer.</summary>
public sealed class PoolersAgreeTests : IAsyncLifetime
{
    private const int PoolSize = 4;

    private readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("broker-poolers-");
    private readonly List<NpgsqlConnection> open = [];
    private LocalPostgres postgres = null!;
    private LocalPgBouncer pgBouncer = null!;
    private LocalIdentity identity = null!;
    private LocalBroker broker = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        postgres = await LocalPostgres.StartAsync(new() { MaxConnections = 60 }, Cancel);
        pgBouncer = await LocalPgBouncer.StartAsync(postgres, new() { ReadsUsers = true }, Cancel);
        identity = await LocalIdentity.StartAsync();
        broker = await LocalBroker.StartAsync(new() { Configuration = Configuration() });
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var connection in open) await connection.DisposeAsync();
        await broker.DisposeAsync();
        await identity.DisposeAsync();
        await pgBouncer.DisposeAsync();
        await postgres.DisposeAsync();
        directory.Delete(recursive: true);
    }

    [Fact]
    public async Task All_places_tell_the_same_of_a_pooler_at_work_and_of_one_that_is_away()
    {
        using var pod = Client(identity.PodToken(1));
        var grant = await pod.GrantAsync("""{"connections":3}""", "orders-api");
        var text = new NpgsqlConnectionStringBuilder(grant["credentials"]!["adoNet"]!.GetValue<string>()) { Pooling = false, NoResetOnClose = true, CommandTimeout = 0, Timeout = 120 }.ConnectionString;

        // Its user may have two of the four, and two are kept for logins: the third waits.
        for (var i = 0; i < 3; i++)
        {
            open.Add(new(text));
            await open[i].OpenAsync(Cancel);
        }

        foreach (var busy in open.Take(2))
        {
            await using var begin = new NpgsqlCommand("BEGIN; SELECT 1", busy);
            await begin.ExecuteNonQueryAsync(Cancel);
        }

        await using var third = new NpgsqlCommand("SELECT 1", open[2]);
        var waiting = third.ExecuteNonQueryAsync(Cancel);

        using var viewer = Client(identity.ViewerToken());
        await Eventually.HoldsAsync(() => AgreeAsync(viewer, pooler => (pooler.Pool, pooler.Open, pooler.Clients, pooler.Waiting, pooler.Error) == (PoolSize, 2, 3, 1, null)), "all tell the same", Cancel);
        var seen = await PoolerAsync(viewer);
        (seen.Kind, seen.Address, seen.Mode, seen.PoolSize, seen.KeptAt is null).ShouldBe(("PgBouncer", $"127.0.0.1:{pgBouncer.Port}", "transaction", PoolSize, false));
        seen.Processes.ShouldHaveSingleItem().Address.ShouldBe(seen.Address);

        await pgBouncer.StopAsync();
        await Should.ThrowAsync<NpgsqlException>(() => waiting);
        await Eventually.HoldsAsync(() => AgreeAsync(viewer, pooler => pooler.Error?.Contains("the pooler's console", StringComparison.Ordinal) == true), "all tell that it is away", Cancel);
    }

    // What is told of one moment is compared, until nothing has changed meanwhile. The time of the last look changes with each.
    private async Task<bool> AgreeAsync(HttpClient viewer, Func<PoolerShape, bool> isSeen)
    {
        var pooler = await PoolerAsync(viewer);
        if (!isSeen(pooler)) return false;
        var metrics = await ScrapedMetrics.OfAsync(viewer, Cancel);
        var command = await SayAsync("budgets");
        var page = await viewer.GetStringAsync("/", Cancel);
        string[] words = [.. pooler.InWords().Split("; last checked at ")[..1], pooler.Error is null ? "" : "Something is wrong: "];
        return words.All(said => command.Contains(said, StringComparison.Ordinal) && page.Contains(said, StringComparison.Ordinal))
            && metrics.Number("broker_pooler_up", "orders") == (pooler.Error is null ? 1 : 0)
            && (metrics.Number("broker_pooler_pool", "orders"), metrics.Number("broker_pooler_open", "orders"), metrics.Number("broker_pooler_clients", "orders"), metrics.Number("broker_pooler_waiting", "orders"))
                == (pooler.Pool, pooler.Open, pooler.Clients, pooler.Waiting);
    }

    private static async Task<PoolerShape> PoolerAsync(HttpClient viewer) =>
        JsonNode.Parse(await viewer.GetStringAsync("/api/v1/budgets/orders", Cancel))!["pooler"].Deserialize<PoolerShape>(JsonSerializerOptions.Web)!;

    private HttpClient Client(string token)
    {
        var client = new HttpClient { BaseAddress = broker.Address, Timeout = TimeSpan.FromMinutes(1) };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return client;
    }

    private async Task<string> SayAsync(params string[] words)
    {
        var (code, text) = await CommandLine.RunAsync([.. words, "--address", broker.Address.ToString(), "--token", identity.ViewerToken()]);
        code.ShouldBe(0, text);
        return text;
    }

    private const string Statements = """
        "CreationStatements": [ "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'" ]
        """;

    private JsonObject Configuration() => JsonNode.Parse($$"""
        { "Broker": {
            "Audit": { "Path": "{{Path.Combine(directory.FullName, "audit.jsonl")}}" },
            "Issuers": { "here": { "Kind": "BuiltIn" } },
            "Databases": { "orders": {
              "Engine": "PostgreSql", "Host": "{{postgres.Host}}", "Port": {{postgres.Port}}, "Name": "{{postgres.Database}}", "AdminConnectionString": "{{postgres.AdminConnectionString}}",
              "Budget": { "CeilingPercent": 100, "SampleEvery": "00:00:00.500" },
              "Pooler": {
                "Kind": "PgBouncer", "Host": "127.0.0.1", "Port": {{pgBouncer.Port}}, "PoolSize": {{PoolSize}}, "ConsoleConnectionString": "{{pgBouncer.ConsoleConnectionString}}",
                "UserList": "{{pgBouncer.UserList}}" } } },
            "Roles": { "orders-api": { "Database": "orders", "Issuer": "here",
              {{Statements}},
              "Allow": [ { "Issuer": "local", "Claims": { "namespace": "orders", "serviceaccount": "orders-api" } } ] } },
            "Identity": {
              "Issuers": { "local": { "Authority": "{{identity.Authority.OriginalString}}", "Audience": "broker" } },
              "Viewers": [ { "Issuer": "local", "Claims": { "groups": "{{LocalIdentity.Viewers}}" } } ] } } }
        """)!.AsObject();
}
