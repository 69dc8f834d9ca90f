using System.Net.Http.Json;
using System.Text.Json.Nodes;
using LoadTests.Servers.LocalServers;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Databases;

/// <summary>What a real PostgreSQL hears of a real broker, with nobody there.</summary>
public sealed class QuietDatabaseTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task No_statement_is_run_while_nobody_holds_or_waits_and_the_next_claim_is_served()
    {
        await using var postgres = await StartAsync();
        // One that is counted all the time tells how much time has passed.
        await using var busy = await StartAsync();
        await using var identity = await LocalIdentity.StartAsync(cancellation: Cancel);
        var (log, busyLog) = (LogOf(postgres), LogOf(busy));
        var admin = new NpgsqlConnectionStringBuilder(postgres.AdminConnectionString) { ConnectionIdleLifetime = 1, ConnectionPruningInterval = 1 };
        var directory = Directory.CreateTempSubdirectory("broker-quiet-");
        await using var broker = await LocalBroker.StartAsync(new() { Configuration = Configuration(admin.ConnectionString, postgres, busy, identity, directory.FullName), ReadyWithin = TimeSpan.FromMinutes(2) }, Cancel);
        using var viewer = new HttpClient { BaseAddress = broker.Address };
        viewer.DefaultRequestHeaders.Authorization = new("Bearer", identity.ViewerToken());
        using var pod = new HttpClient { BaseAddress = broker.Address };
        pod.DefaultRequestHeaders.Authorization = new("Bearer", identity.PodToken(1));

        await RestsAsync(viewer);
        await Eventually.HoldsAsync(async () => await OpenAsync(postgres) == 0, "the broker's connections are closed", Cancel);
        var before = await StatementsAsync(log);
        before.ShouldBeGreaterThan(0, "it was counted once");
        var counted = await CountsAsync(busyLog);
        await Eventually.HoldsAsync(async () => await CountsAsync(busyLog) >= counted + 50, "the other database is counted fifty times", Cancel);
        (await StatementsAsync(log)).ShouldBe(before, "at one count in 200 ms it would be fifty more by now");

        using var claimed = await pod.PostAsJsonAsync("/api/v1/roles/orders-api/credentials", new { }, Cancel);
        claimed.IsSuccessStatusCode.ShouldBeTrue(await claimed.Content.ReadAsStringAsync(Cancel));
        (await StatementsAsync(log)).ShouldBeGreaterThan(before);
        var holder = JsonNode.Parse(await claimed.Content.ReadAsStringAsync(Cancel))!["holder"]!["id"]!.GetValue<string>();
        (await pod.DeleteAsync(new Uri($"/api/v1/holders/{holder}", UriKind.Relative), Cancel)).IsSuccessStatusCode.ShouldBeTrue();
        await RestsAsync(viewer);

        directory.Delete(recursive: true);
    }

    private static Task RestsAsync(HttpClient viewer) => Eventually.HoldsAsync(
        async () => (await viewer.GetFromJsonAsync<JsonNode>("/api/v1/budgets/orders", Cancel))!["resting"]!.GetValue<bool>(), "the database rests", Cancel);

    private static Task<LocalPostgres> StartAsync() => LocalPostgres.StartAsync(
        new() { Settings = new Dictionary<string, string> { ["log_statement"] = "all", ["log_line_prefix"] = "%a " } }, Cancel);

    private static string LogOf(LocalPostgres postgres) => Path.Combine(postgres.Directory.ShouldNotBeNull(), "postgres.log");

    private static Task<int> StatementsAsync(string log) => LinesAsync(
        log, line => line.Contains("LOG:  statement:", StringComparison.Ordinal) || line.Contains("LOG:  execute", StringComparison.Ordinal));

    private static Task<int> CountsAsync(string log) => LinesAsync(log, line => line.Contains("pg_stat_activity", StringComparison.Ordinal));

    private static async Task<int> LinesAsync(string log, Func<string, bool> counts)
    {
        await using var file = new FileStream(log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(file);
        return (await reader.ReadToEndAsync(Cancel)).Split('\n').Count(line => !line.StartsWith("the-test ", StringComparison.Ordinal) && counts(line));
    }

    private static async Task<long> OpenAsync(LocalPostgres postgres)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(postgres.AdminConnectionString) { ApplicationName = "the-test" }.ConnectionString);
        await connection.OpenAsync(Cancel);
        await using var count = new NpgsqlCommand("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> 'the-test'", connection);
        return (long)(await count.ExecuteScalarAsync(Cancel))!;
    }

    private static JsonObject Configuration(string admin, LocalPostgres postgres, LocalPostgres busy, LocalIdentity identity, string directory) => JsonNode.Parse($$"""
        { "Broker": {
            "Audit": { "Path": "{{directory}}/audit.jsonl" },
            "Issuers": { "here": { "Kind": "BuiltIn" } },
            "Databases": { "orders": {{Database(postgres, admin)}}, "busy": {{Database(busy, busy.AdminConnectionString)}} },
            "Roles": { "orders-api": { "Database": "orders", {{Role}} }, "busy-api": { "Database": "busy", "KeepReady": true, {{Role}} } },
            "Identity": { "Issuers": { "local": { "Authority": "{{identity.Authority.OriginalString}}", "Audience": "broker" } },
              "Viewers": [ { "Issuer": "local", "Claims": { "groups": "{{LocalIdentity.Viewers}}" } } ] } } }
        """)!.AsObject();

    private static string Database(LocalPostgres postgres, string admin) => $$"""
        { "Engine": "PostgreSql", "Host": "{{postgres.Host}}", "Port": {{postgres.Port}}, "Name": "{{postgres.Database}}", "AdminConnectionString": "{{admin}}",
          "Budget": { "SampleEvery": "00:00:00.2", "StaleAfter": "00:00:01", "PauseAfter": "00:00:01" } }
        """;

    private const string Role = """
        "Issuer": "here", "CreationStatements": [ "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'" ],
        "Allow": [ { "Issuer": "local", "Claims": { "namespace": "orders", "serviceaccount": "orders-api" } } ]
        """;
}
