using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Broker.Tests.Deployment;
using LoadTests.LocalServers;
using LoadTests.Stages;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Telemetry;

/// <summary>
/// A real Prometheus with the shipped rules, only quicker, scrapes a real broker to which things happen: each alert fires, and clears when
/// it is over. Those that it takes hours, or a fault that cannot be made from outside, are named; promtool's tests have all.
/// </summary>
public sealed partial class AlertsOnTheProductTests : IAsyncLifetime
{
    private const int MaxConnections = 40;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private static readonly string[] NotMadeHere =
    [
        "BrokerAuditUnavailable", // a disk that fills under the broker
        "BrokerLeaseUnknown", // an issuer's answer that is lost
        "BrokerLeftovers", // found every two minutes
        "BrokerRevokeFailed", // refused for minutes
        "BrokerVaultTokenEnding", // a token's life
    ];

    private readonly HashSet<string> fired = new(StringComparer.Ordinal);
    private Stage stage = null!;
    private LocalPrometheus prometheus = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private LocalBroker Replica => stage.Brokers[0];

    public async ValueTask InitializeAsync()
    {
        stage = await Stage.SetAsync(
            new()
            {
                Replicas = 1,
                MaxConnections = MaxConnections,
                CeilingPercent = 100,
                UsersPerSecond = 1000,
                Configure = static (_, configuration) =>
                {
                    var broker = configuration["Broker"]!;
                    broker["Databases"]!["orders"]!["Budget"] = JsonNode.Parse("""{ "CeilingPercent": 100, "SampleEvery": "00:00:00.5", "StaleAfter": "00:00:05", "PauseAfter": "1.00:00:00" }""");
                    broker["Issuers"]!["away"] = JsonNode.Parse("""{ "Kind": "Vault", "Address": "http://127.0.0.1:1", "Auth": { "Method": "Token", "Token": "none" } }""");
                    Add(broker["Roles"]!, "vaultless", role =>
                    {
                        role["Issuer"] = "away";
                        role.Remove("CreationStatements");
                        role["VaultPath"] = "database/creds/app";
                    });
                    Add(broker["Roles"]!, "loginless", static role => role["CreationStatements"] = new JsonArray("CREATE ROLE \"{{name}}\" NOLOGIN PASSWORD '{{password}}'"));
                },
            },
            Cancellation);
        prometheus = await LocalPrometheus.StartAsync(Replica.Address, stage.Identity.ViewerToken(TimeSpan.FromHours(1)), Quick(Repository.Read("docs/alerts/broker.rules.yml")), TimeSpan.FromSeconds(2), Cancellation);
    }

    public async ValueTask DisposeAsync()
    {
        if (prometheus is not null) await prometheus.DisposeAsync();
        if (stage is not null) await stage.DisposeAsync();
    }

    [Fact]
    public async Task Each_alert_fires_when_its_trouble_comes_and_clears_when_it_is_over()
    {
        using (var first = await ClaimAsync("orders-api", 0, connections: 1, wait: 60)) await GiveBackAsync(0, await GrantAsync(first));
        await using (await OpenAsync(stage.Postgres.AdminConnectionString, MaxConnections - 5))
        {
            await Eventually.HoldsAsync(async () => await FreeAsync() < 6, "the database to be counted full", Cancellation);

            // Nearly full: who asks is refused, or waits until there is room again.
            await FiresAsync(["BrokerConnectionsNearLimit", "BrokerConnectionsFilling", "BrokerClaimsRefusedForRoom"], async () => await ClaimAsync("orders-api", 1, connections: 6, wait: 0));
        }

        await SlowAsync();
        await FiresAsync(["BrokerAuthenticationFailures", "BrokerAuthenticationFailuresSome"], () => SendAsync(null, "/api/v1/roles/orders-api/credentials", "{}", null));
        await FiresAsync(["BrokerIssuerUnavailable"], async () => await ClaimAsync("vaultless", 2, connections: 1, wait: 0));
        await FiresAsync(["BrokerLoginRefused", "BrokerAvailabilityBurns", "BrokerAvailabilityBurnsFast"], async () => await ClaimAsync("loginless", 3, connections: 1, wait: 5));
        await OverAllotmentAsync();
        await ClearsAsync("BrokerConnectionsNearLimit", "BrokerConnectionsFilling", "BrokerClaimsRefusedForRoom", "BrokerAuthenticationFailures", "BrokerIssuerUnavailable", "BrokerLoginRefused", "BrokerClaimsSlow");

        await stage.Postgres.StopAsync();
        await FiresAsync(["BrokerBudgetStale", "BrokerDutyFailing"], Nothing);
        await stage.Postgres.StartAgainAsync(Cancellation);
        await ClearsAsync("BrokerBudgetStale");

        await stage.Redis!.PauseAsync();
        await FiresAsync(["BrokerLedgerAway"], Nothing);
        await Replica.KillAsync();
        await FiresAsync(["BrokerGone"], Nothing);
        var start = Replica.StartAgainAsync(Cancellation);
        await FiresAsync(["BrokerReplicaNotReady"], Nothing);
        await stage.Redis.ResumeAsync();
        await start.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext); // it may have waited for longer than a start should take
        await ClearsAsync("BrokerLedgerAway", "BrokerGone", "BrokerReplicaNotReady", "BrokerAvailabilityBurnsFast", "BrokerLatencyBurnsFast", "BrokerOverAllotment");

        fired.Union(NotMadeHere).Order(StringComparer.Ordinal).ShouldBe(
            Names().Matches(Repository.Read("docs/alerts/broker.rules.yml")).Select(static name => name.Groups[1].Value).Order(StringComparer.Ordinal));
    }

    // A claim that waits in line for longer than is alright, and is granted.
    private async Task SlowAsync()
    {
        for (var pod = 10; !await AreFiringAsync("BrokerClaimsSlow", "BrokerClaimsOverObjective", "BrokerLatencyBurns", "BrokerLatencyBurnsFast"); pod++)
        {
            pod.ShouldBeLessThan(20, "claims that took longer than 5 s are slow");
            await Eventually.HoldsAsync(async () => await FreeAsync() >= 6, "the database to have room", Cancellation);
            Dictionary<int, HttpResponseMessage> holders = [];
            for (var other = 100; await FreeAsync() is > 0 and var free; other++) holders[other] = await ClaimAsync("orders-api", other, Math.Min(20, free), wait: 30);
            var slow = ClaimAsync("orders-api", pod, connections: 6, wait: 30);
            await Task.Delay(TimeSpan.FromSeconds(7), TimeProvider.System, Cancellation);
            foreach (var (other, holder) in holders)
            {
                await GiveBackAsync(other, await GrantAsync(holder));
                holder.Dispose();
            }

            using var granted = await slow;
            granted.IsSuccessStatusCode.ShouldBeTrue(await granted.Content.ReadAsStringAsync(Cancellation));
            await GiveBackAsync(pod, await GrantAsync(granted));
        }

        fired.UnionWith(["BrokerClaimsSlow", "BrokerClaimsOverObjective", "BrokerLatencyBurns", "BrokerLatencyBurnsFast"]);
    }

    private async Task OverAllotmentAsync()
    {
        using var granted = await ClaimAsync("orders-api", 5, connections: 1, wait: 30);
        var grant = await GrantAsync(granted);
        await using (await OpenAsync(grant["credentials"]!["adoNet"]!.GetValue<string>(), 5)) await FiresAsync(["BrokerOverAllotment"], Nothing);
        await GiveBackAsync(5, grant);
    }

    private static async Task<JsonObject> GrantAsync(HttpResponseMessage answer) => (await answer.Content.ReadFromJsonAsync<JsonObject>(Cancellation))!;

    private async Task GiveBackAsync(int pod, JsonObject grant)
    {
        var holder = grant["holder"]!["id"]!.GetValue<string>();
        using var client = ClientOf(stage.Identity.PodToken(pod));
        using var left = await client.DeleteAsync(new Uri($"/api/v1/holders/{holder}", UriKind.Relative), Cancellation);
        left.EnsureSuccessStatusCode();
    }

    private async Task<int> FreeAsync()
    {
        using var viewer = ClientOf(stage.Identity.ViewerToken());
        return (await viewer.GetFromJsonAsync<JsonObject>(new Uri("/api/v1/budgets/orders", UriKind.Relative), Cancellation))!["free"]!.GetValue<int>();
    }

    private async Task FiresAsync(string[] alerts, Func<Task<HttpResponseMessage?>> trouble)
    {
        await Eventually.HoldsAsync(
            async () =>
            {
                using var answer = await trouble();
                foreach (var alert in await prometheus.FiringAsync(Cancellation)) fired.Add(alert);
                return Array.TrueForAll(alerts, fired.Contains);
            },
            $"{string.Join(", ", alerts)} to fire; {string.Join(", ", fired)} did", Cancellation);
    }

    private Task ClearsAsync(params string[] alerts) => Eventually.HoldsAsync(
        async () => !(await prometheus.FiringAsync(Cancellation)).Overlaps(alerts), $"{string.Join(", ", alerts)} to clear", Cancellation);

    private async Task<bool> AreFiringAsync(params string[] alerts)
    {
        for (var look = 0; look < 10; look++)
        {
            if ((await prometheus.FiringAsync(Cancellation)).IsSupersetOf(alerts)) return true;
            await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, Cancellation);
        }

        return false;
    }

    private static Task<HttpResponseMessage?> Nothing() => Task.FromResult<HttpResponseMessage?>(null);

    private async Task<HttpResponseMessage> ClaimAsync(string role, int pod, int connections, int wait) =>
        (await SendAsync(stage.Identity.PodToken(pod), $"/api/v1/roles/{role}/credentials", $$"""{ "connections": {{connections}}, "minConnections": {{connections}} }""", wait))!;

    private async Task<HttpResponseMessage?> SendAsync(string? token, string path, string body, int? wait)
    {
        using var client = ClientOf(token);
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(body, new MediaTypeHeaderValue("application/json")) };
        if (wait is { } seconds) request.Headers.Add("Prefer", string.Create(CultureInfo.InvariantCulture, $"wait={seconds}"));
        return await client.SendAsync(request, Cancellation);
    }

    private HttpClient ClientOf(string? token)
    {
        var client = new HttpClient { BaseAddress = Replica.Address, Timeout = TimeSpan.FromMinutes(2) };
        if (token is not null) client.DefaultRequestHeaders.Authorization = new("Bearer", token);
        return client;
    }

    private static async Task<Connections> OpenAsync(string connectionString, int count)
    {
        var open = new Connections();
        for (var i = 0; i < count; i++)
        {
            var connection = new NpgsqlConnection(connectionString + ";Pooling=false");
            open.All.Add(connection);
            await connection.OpenAsync(Cancellation);
        }

        return open;
    }

    private static void Add(JsonNode roles, string name, Action<JsonObject> change)
    {
        var role = roles[StageSettings.RoleName]!.DeepClone().AsObject();
        change(role);
        roles[name] = role;
    }

    // Minutes become seconds; an hour is one still.
    private static string Quick(string rules) => Window().Replace(For().Replace(rules, "for: 0s"), "[30s]");

    [GeneratedRegex(@"for: \d+[smh]")]
    private static partial Regex For();

    [GeneratedRegex(@"\[5m\]")]
    private static partial Regex Window();

    [GeneratedRegex(@"- alert: (\w+)")]
    private static partial Regex Names();

    private sealed class Connections : IAsyncDisposable
    {
        public List<NpgsqlConnection> All { get; } = [];

        public async ValueTask DisposeAsync()
        {
            foreach (var connection in All) await connection.DisposeAsync();
        }
    }
}
