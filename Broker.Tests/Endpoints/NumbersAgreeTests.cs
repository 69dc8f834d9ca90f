using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Broker.Tests.Commands;
using LoadTests.Servers.LocalServers;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Endpoints;

/// <summary>
/// The same numbers everywhere, with real connections open: on the page, in the API, in the metrics, on the command line, and in the database. A
/// broker and a server of this test's own.
/// </summary>
public sealed partial class NumbersAgreeTests : IAsyncLifetime
{
    private readonly List<NpgsqlConnection> open = [];
    private readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("broker-numbers-");
    private LocalPostgres postgres = null!;
    private LocalIdentity identity = null!;
    private LocalBroker broker = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        postgres = await LocalPostgres.StartAsync(new() { MaxConnections = 100 });
        identity = await LocalIdentity.StartAsync();
        broker = await LocalBroker.StartAsync(new() { Configuration = Configuration() });
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var connection in open) await connection.DisposeAsync();
        await broker.DisposeAsync();
        await identity.DisposeAsync();
        await postgres.DisposeAsync();
        directory.Delete(recursive: true);
    }

    [Fact]
    public async Task The_numbers_agree_on_the_page_in_the_API_in_metrics_on_the_command_line_and_in_the_database()
    {
        var user = "";
        foreach (var (pod, granted, opened) in new[] { (1, 4, 4), (2, 3, 5), (3, 2, 0) })
        {
            using var client = Client(identity.PodToken(pod));
            var grant = await client.GrantAsync($$"""{"connections":{{granted}}}""", "orders-api");
            user = grant["credentials"]!["username"]!.GetValue<string>();
            for (var i = 0; i < opened; i++) await OpenAsync(grant["credentials"]!["adoNet"]!.GetValue<string>());
        }

        for (var i = 0; i < 3; i++) await OpenAsync(postgres.AdminConnectionString + ";Application Name=reports");
        await using (var begin = new NpgsqlCommand("BEGIN; SELECT 1", open[0])) await begin.ExecuteNonQueryAsync(Cancel);

        using var viewer = Client(identity.ViewerToken());
        JsonObject? budget = null;
        await Eventually.HoldsAsync(
            async () =>
            {
                // The broker's own connections come and go: what is told of one moment is compared, until nothing has changed meanwhile.
                budget = JsonNode.Parse(await viewer.GetStringAsync("/api/v1/budgets/orders", Cancel))!.AsObject();
                var metrics = await ScrapedMetrics.OfAsync(viewer, Cancel);
                var same = true;
                foreach (var (name, metric) in Numbers) same &= metrics.Number("broker_budget_" + metric, "orders") == Int(budget, name);
                var command = (await CommandAsync("budgets"))["budgets"]!.AsArray().Single(of => (string?)of!["database"] == "orders")!;
                same &= Numbers.All(number => Int(command, number.Field) == Int(budget, number.Field));
                // "open" is the user's own sessions in the database; "kept" is what the configuration guarantees and nobody has.
                same &= Int(budget, "open") == await CountAsync("usename = $1", user) && (Int(budget, "kept"), Int(budget, "keptElsewhere")) == (GuaranteedHere, GuaranteedElsewhere);
                var page = await viewer.GetStringAsync("/", Cancel);
                same &= page.Contains($"{GuaranteedHere} of the free ones are kept for the parties to which they are guaranteed: {GuaranteedHere} to orders-batch.", StringComparison.Ordinal)
                    && page.Contains($"{GuaranteedElsewhere} connections of this server are kept for what is guaranteed on its other databases, and not free here.", StringComparison.Ordinal);
                var bar = BarOf().Match(page);
                same &= bar.Success && int.Parse(bar.Groups["foreign"].Value, CultureInfo.InvariantCulture) == Int(budget, "foreign")
                    && int.Parse(bar.Groups["granted"].Value, CultureInfo.InvariantCulture) == Int(budget, "granted")
                    && int.Parse(bar.Groups["open"].Value, CultureInfo.InvariantCulture) == Int(budget, "open")
                    && int.Parse(bar.Groups["kept"].Value, CultureInfo.InvariantCulture) == Int(budget, "keptElsewhere")
                    && int.Parse(bar.Groups["free"].Value, CultureInfo.InvariantCulture) == Int(budget, "free");
                return same && Int(budget, "foreign") == await ForeignAsync(user);
            },
            "all tell the same", Cancel);

        Int(budget!, "granted").ShouldBe(9);
        Int(budget!, "open").ShouldBe(9);
        var table = (await SayAsync("budgets")).Split('\n').Single(line => line.Contains("orders ", StringComparison.Ordinal)).Split('│', StringSplitOptions.TrimEntries);
        (table[6], table[7], table[9]).ShouldBe(("9", "9", $"{GuaranteedHere} + {GuaranteedElsewhere} elsewhere"), "granted, open and kept in the table for people");
        Int(budget!, "limit").ShouldBe(100);

        // While the broker tries the login, a session of the user carries no holder's name.
        await Eventually.HoldsAsync(
            async () =>
            {
                var holders = JsonNode.Parse(await viewer.GetStringAsync("/api/v1/holders?database=orders&sort=who", Cancel))!["holders"]!.AsArray();
                return holders.All(holder => holder!["open"] is not null)
                    && holders.Select(holder => (Int(holder!, "granted"), Int(holder!["open"]!, "connections"), Int(holder!, "over"))).SequenceEqual([(4, 4, 0), (3, 5, 2), (2, 0, 0)])
                    && Int(holders[0]!["open"]!, "idleInTransaction") == 1
                    && holders.Sum(holder => Int(holder!["open"]!, "connections")) == await CountAsync("usename = $1", user);
            },
            "each holder has what it has open, and one more than it was granted", Cancel);
        (await CommandAsync("holders", "--database", "orders", "--over"))["holders"]!.AsArray().ShouldHaveSingleItem()!["caller"]!.GetValue<string>().ShouldEndWith("orders-api-2");
        var page = await viewer.GetStringAsync("/databases/orders", Cancel);
        page.ShouldContain("has 5 open and was granted 3.");
        page.ShouldContain("5, 2 over");

        var reports = (await CommandAsync("others", "orders"))["others"]!.AsArray().Single(other => (string?)other!["program"] == "reports")!;
        Int(reports["open"]!, "connections").ShouldBe(await CountAsync("application_name = $1", "reports"));
        ((string?)reports["username"]).ShouldBe(postgres.AdminUsername);
        (await ScrapedMetrics.OfAsync(viewer, Cancel)).Number("broker_holders", "orders-api").ShouldBe(3);
    }

    private const int GuaranteedHere = 5;
    private const int GuaranteedElsewhere = 6;

    private static readonly (string Field, string Metric)[] Numbers =
    [
        ("granted", "granted"), ("open", "open"), ("foreign", "foreign"), ("free", "free"), ("capacity", "capacity"), ("limit", "limit"), ("ceiling", "ceiling"),
        ("kept", "kept"), ("keptElsewhere", "kept_elsewhere"),
    ];

    private static int Int(JsonNode node, string name) => node[name]!.GetValue<int>();

    private HttpClient Client(string token)
    {
        var client = new HttpClient { BaseAddress = broker.Address, Timeout = TimeSpan.FromMinutes(1) };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return client;
    }

    private async Task OpenAsync(string connectionString)
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false }.ConnectionString);
        open.Add(connection);
        await connection.OpenAsync(Cancel);
    }

    // Everybody's client connections but those of the lease's user and the one that asks.
    private Task<int> ForeignAsync(string user) => CountAsync("backend_type = 'client backend' AND usename IS DISTINCT FROM $1", user);

    private async Task<int> CountAsync(string which, string value)
    {
        await using var connection = new NpgsqlConnection(postgres.AdminConnectionString + ";Pooling=false");
        await connection.OpenAsync(Cancel);
        await using var query = new NpgsqlCommand($"SELECT count(*)::int FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND {which}", connection) { Parameters = { new() { Value = value } } };
        return (int)(await query.ExecuteScalarAsync(Cancel))!;
    }

    private async Task<JsonObject> CommandAsync(params string[] words) => JsonNode.Parse(await SayAsync([.. words, "--json"]))!.AsObject();

    private async Task<string> SayAsync(params string[] words)
    {
        var (code, text) = await CommandLine.RunAsync([.. words, "--address", broker.Address.ToString(), "--token", identity.ViewerToken()]);
        code.ShouldBe(0, text);
        return text;
    }

    private const string Statements = """
        "CreationStatements": [ "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'" ]
        """;

    private const string ForPods = """
        "Allow": [ { "Issuer": "local", "Claims": { "namespace": "orders", "serviceaccount": "orders-api" } } ]
        """;

    private string Server => $$"""
        "Engine": "PostgreSql", "Host": "{{postgres.Host}}", "Port": {{postgres.Port}}, "Name": "{{postgres.Database}}", "AdminConnectionString": "{{postgres.AdminConnectionString}}"
        """;

    private JsonObject Configuration() => JsonNode.Parse($$"""
        { "Broker": {
            "Audit": { "Path": "{{Path.Combine(directory.FullName, "audit.jsonl")}}" },
            "Issuers": { "here": { "Kind": "BuiltIn" } },
            "Databases": { "billing": { {{Server}}, "Budget": { "CeilingPercent": 100, "StaleAfter": "00:01:00" } }, "orders": { {{Server}}, "Budget": { "CeilingPercent": 100, "StaleAfter": "00:01:00" } } },
            "Roles": {
              "billing-api": { "Database": "billing", "Issuer": "here", {{Statements}}, "Connections": { "Guaranteed": {{GuaranteedElsewhere}} }, {{ForPods}} },
              "orders-batch": { "Database": "orders", "Issuer": "here", {{Statements}}, "Connections": { "Guaranteed": {{GuaranteedHere}} }, {{ForPods}} },
              "orders-api": { "Database": "orders", "Issuer": "here",
                {{Statements}},
                {{ForPods}} } },
            "Identity": {
              "Issuers": { "local": { "Authority": "{{identity.Authority.OriginalString}}", "Audience": "broker" } },
              "Viewers": [ { "Issuer": "local", "Claims": { "groups": "{{LocalIdentity.Viewers}}" } } ] } } }
        """)!.AsObject();

    [GeneratedRegex(@"Connections of orders: limit 100, ceiling \d+\. \d+ reserved for superusers, (?<foreign>\d+) foreign, (?<granted>\d+) granted, (?<open>\d+) of them open, (?<free>\d+) free, (?<kept>\d+) guaranteed on other databases of this server")]
    private static partial Regex BarOf();
}
