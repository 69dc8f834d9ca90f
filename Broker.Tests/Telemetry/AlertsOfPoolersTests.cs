using System.Text.Json.Nodes;
using LoadTests.Servers.LocalServers;
using Shouldly;
using Xunit;

namespace Broker.Tests.Telemetry;

/// <summary>As <see cref="AlertsOnTheProductTests"/>, with a pooler of two processes, one of which falls silent.</summary>
public sealed class AlertsOfPoolersTests
{
    /// <summary>Those that are seen here.</summary>
    internal static IReadOnlyList<string> Alerts { get; } = ["BrokerPoolerSilent"];

    [Fact]
    public async Task The_alert_of_a_silent_process_fires_and_clears_when_it_answers_again()
    {
        var cancellation = TestContext.Current.CancellationToken;
        JsonObject configured = null!;
        await using var broker = await WatchedBroker.StartAsync(new()
        {
            PoolSize = 12,
            MaxConnections = 60,
            Configure = (_, configuration) =>
            {
                configured = configuration;
                configuration["Broker"]!["Databases"]!["orders"]!["Budget"] = JsonNode.Parse("""{ "CeilingPercent": 100, "SampleEvery": "00:00:00.5", "StaleAfter": "00:00:30" }""");
            },
        });
        var first = broker.Stage.PgBouncer!;
        await using var second = await LocalPgBouncer.StartAsync(broker.Stage.Postgres, new() { Beside = first }, cancellation);
        var pooler = configured["Broker"]!["Databases"]!["orders"]!["Pooler"]!;
        pooler["ConsoleConnectionString"] = first.ConsoleConnectionString.Replace($"Host=127.0.0.1;Port={first.Port}", $"Host=127.0.0.1:{first.Port},127.0.0.1:{second.Port}", StringComparison.Ordinal);
        await broker.Replica.ReconfigureAsync(configured, cancellation);
        await Eventually.HoldsAsync(
            async () => (await broker.ReadAsync("/api/v1/budgets/orders"))["pooler"] is { } seen && seen["processes"]!.AsArray().Count == 2 && seen["error"] is null, "both processes to be counted", cancellation);
        await broker.FiresAsync();
        broker.Fired.ShouldNotContain("BrokerPoolerSilent", "both answer");

        second.Pause();
        await broker.FiresAsync("BrokerPoolerSilent");
        second.Resume();
        await broker.ClearsAsync("BrokerPoolerSilent");

        Alerts.Except(broker.Cleared).ShouldBeEmpty();
    }
}
