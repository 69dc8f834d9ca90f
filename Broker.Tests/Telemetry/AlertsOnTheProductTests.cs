using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Broker.Tests.Deployment;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Telemetry;

/// <summary>
/// A real Prometheus with the shipped rules, only quicker, scrapes a real broker to which things happen: each alert fires, and clears when
/// it is over. Those of leases, their issuer and the audit are in <see cref="AlertsOfLeasesTests"/>, of poolers in <see cref="AlertsOfPoolersTests"/>.
/// </summary>
public sealed partial class AlertsOnTheProductTests : IAsyncLifetime
{
    private const int MaxConnections = 40;

    private WatchedBroker broker = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => broker = await WatchedBroker.StartAsync(new()
    {
        MaxConnections = MaxConnections,
        Configure = static (_, configuration) =>
        {
            var settings = configuration["Broker"]!;
            settings["Databases"]!["orders"]!["Budget"] = JsonNode.Parse("""{ "CeilingPercent": 100, "SampleEvery": "00:00:00.5", "StaleAfter": "00:00:05", "PauseAfter": "1.00:00:00" }""");
            settings["Issuers"]!["away"] = JsonNode.Parse("""{ "Kind": "Vault", "Address": "http://127.0.0.1:1", "Auth": { "Method": "Token", "Token": "none" } }""");
            WatchedBroker.AddRole(configuration, "vaultless", static role =>
            {
                role["Issuer"] = "away";
                role.Remove("CreationStatements");
                role["VaultPath"] = "database/creds/app";
            });
            WatchedBroker.AddRole(configuration, "loginless", static role => role["CreationStatements"] = new JsonArray("CREATE ROLE \"{{name}}\" NOLOGIN PASSWORD '{{password}}'"));
        },
    });

    public async ValueTask DisposeAsync()
    {
        if (broker is not null) await broker.DisposeAsync();
    }

    [Fact]
    public async Task Each_alert_fires_when_its_trouble_comes_and_clears_when_it_is_over()
    {
        using (var first = await broker.ClaimAsync("orders-api", 0, connections: 1, wait: 60)) await GiveBackAsync(0, await WatchedBroker.GrantAsync(first));
        await using (await OpenAsync(broker.Stage.Postgres.AdminConnectionString, MaxConnections - 5))
        {
            await Eventually.HoldsAsync(async () => await FreeAsync() < 6, "the database to be counted full", Cancellation);

            // Nearly full: who asks is refused, or waits until there is room again.
            await broker.FiresAsync(["BrokerConnectionsNearLimit", "BrokerConnectionsFilling", "BrokerClaimsRefusedForRoom"], async () => await broker.ClaimAsync("orders-api", 1, connections: 6, wait: 0));
        }

        await SlowAsync();
        await broker.FiresAsync(["BrokerAuthenticationFailures", "BrokerAuthenticationFailuresSome"], () => broker.PostAsync(null, "/api/v1/roles/orders-api/credentials", "{}"));
        await broker.FiresAsync(["BrokerIssuerUnavailable"], async () => await broker.ClaimAsync("vaultless", 2, connections: 1, wait: 0));
        await broker.FiresAsync(["BrokerLoginRefused", "BrokerAvailabilityBurns", "BrokerAvailabilityBurnsFast"], async () => await broker.ClaimAsync("loginless", 3, connections: 1, wait: 5));
        await OverAllotmentAsync();
        await broker.ClearsAsync("BrokerConnectionsNearLimit", "BrokerConnectionsFilling", "BrokerClaimsRefusedForRoom", "BrokerAuthenticationFailures", "BrokerAuthenticationFailuresSome", "BrokerIssuerUnavailable", "BrokerLoginRefused", "BrokerClaimsSlow",
            "BrokerClaimsOverObjective");

        await broker.Stage.Postgres.StopAsync();
        await broker.FiresAsync("BrokerBudgetStale");
        await broker.Stage.Postgres.StartAgainAsync(Cancellation);
        await broker.ClearsAsync("BrokerBudgetStale");

        await broker.Stage.Redis!.PauseAsync();
        await broker.FiresAsync("BrokerLedgerAway");
        await broker.Replica.KillAsync();
        await broker.FiresAsync("BrokerGone", "BrokerReplicaGone");
        var start = broker.Replica.StartAgainAsync(Cancellation);
        await broker.FiresAsync("BrokerReplicaNotReady");
        await broker.Stage.Redis.ResumeAsync();
        await start.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext); // it may have waited for longer than a start should take
        await broker.ClearsAsync("BrokerLedgerAway", "BrokerGone", "BrokerReplicaGone", "BrokerReplicaNotReady", "BrokerAvailabilityBurns", "BrokerAvailabilityBurnsFast", "BrokerLatencyBurns", "BrokerLatencyBurnsFast",
            "BrokerOverAllotment");

        string[] all = [.. Names().Matches(Repository.Read("docs/alerts/broker.rules.yml")).Select(static name => name.Groups[1].Value).Order(StringComparer.Ordinal)];
        broker.Fired.Union(AlertsOfLeasesTests.Alerts).Union(AlertsOfPoolersTests.Alerts).Order(StringComparer.Ordinal).ShouldBe(all);
        broker.Cleared.Union(AlertsOfLeasesTests.Alerts).Union(AlertsOfPoolersTests.Alerts).Order(StringComparer.Ordinal).ShouldBe(all);
    }

    // A claim that waits in line for longer than is alright, and is granted.
    private async Task SlowAsync()
    {
        for (var pod = 10; !await broker.AreFiringAsync("BrokerClaimsSlow", "BrokerClaimsOverObjective", "BrokerLatencyBurns", "BrokerLatencyBurnsFast"); pod++)
        {
            pod.ShouldBeLessThan(20, "claims that took longer than 5 s are slow");
            await Eventually.HoldsAsync(async () => await FreeAsync() >= 6, "the database to have room", Cancellation);
            Dictionary<int, HttpResponseMessage> holders = [];
            for (var other = 100; await FreeAsync() is > 0 and var free; other++) holders[other] = await broker.ClaimAsync("orders-api", other, Math.Min(20, free), wait: 30);
            var slow = broker.ClaimAsync("orders-api", pod, connections: 6, wait: 30);
            await Eventually.HoldsAsync(async () => await WaitedAsync() is { TotalSeconds: >= 6 }, "the claim to have waited in line for longer than is alright", Cancellation);
            foreach (var (other, holder) in holders)
            {
                await GiveBackAsync(other, await WatchedBroker.GrantAsync(holder));
                holder.Dispose();
            }

            using var granted = await slow;
            granted.IsSuccessStatusCode.ShouldBeTrue(await granted.Content.ReadAsStringAsync(Cancellation));
            await GiveBackAsync(pod, await WatchedBroker.GrantAsync(granted));
        }
    }

    // How long the first in line had waited at the last count, by the ledger's time; null: nobody is in line.
    private async Task<TimeSpan?> WaitedAsync()
    {
        if ((await broker.ReadAsync("/api/v1/budgets/orders/line"))["waiting"]!.AsArray() is not [{ } first, ..]) return null;
        return (await broker.ReadAsync("/api/v1/budgets/orders"))["sampledAt"]!.GetValue<DateTimeOffset>() - first["since"]!.GetValue<DateTimeOffset>();
    }

    private async Task OverAllotmentAsync()
    {
        using var granted = await broker.ClaimAsync("orders-api", 5, connections: 1, wait: 30);
        var grant = await WatchedBroker.GrantAsync(granted);
        await using (await OpenAsync(grant["credentials"]!["adoNet"]!.GetValue<string>(), 5)) await broker.FiresAsync("BrokerOverAllotment");
        await GiveBackAsync(5, grant);
    }

    private async Task GiveBackAsync(int pod, JsonObject grant)
    {
        var holder = grant["holder"]!["id"]!.GetValue<string>();
        using var left = await broker.SendAsync(HttpMethod.Delete, broker.Stage.Identity.PodToken(pod), $"/api/v1/holders/{holder}");
        left!.EnsureSuccessStatusCode();
    }

    private async Task<int> FreeAsync() => (await broker.ReadAsync("/api/v1/budgets/orders"))["free"]!.GetValue<int>();

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
