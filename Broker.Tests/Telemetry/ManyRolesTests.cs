using Broker.Tests.Endpoints;
using Broker.Tests.Security;
using Shouldly;
using Xunit;

namespace Broker.Tests.Telemetry;

/// <summary>Metrics of more roles than an instrument has room for by default (2,000 series): no role's claims are counted as somebody else's.</summary>
public sealed class ManyRolesTests
{
    private const int Roles = 300;

    private static (string, string?)[] Settings =>
    [
        .. Enumerable.Range(0, Roles).SelectMany(static i => new (string, string?)[]
        {
            ($"Roles:{Name(i)}:Database", "orders"), ($"Roles:{Name(i)}:Issuer", "here"), ($"Roles:{Name(i)}:CreationStatements:0", "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'"),
            ($"Roles:{Name(i)}:Allow:0:Issuer", "kubernetes"), ($"Roles:{Name(i)}:Allow:0:Claims:namespace", "shop"),
        }),
    ];

    private static string Name(int role) => $"role-{role:000}";

    [Fact]
    public async Task Each_begins_at_zero_and_has_series_of_its_own()
    {
        await using var world = new BrokerWorld(Settings);
        using var replica = await world.ReplicaAsync();
        (await world.ClaimAsync(replica, world.Pod(), Name(Roles - 1))).Status.ShouldBe(200);

        replica.DefaultRequestHeaders.Authorization = new("Bearer", world.Person("viewers"));
        var text = await replica.GetStringAsync(new Uri("/metrics", UriKind.Relative), TestContext.Current.CancellationToken);
        // Other brokers of this process count there too: of all instruments these have room for them.
        text.Split('\n').ShouldNotContain(line => line.StartsWith("broker_claim", StringComparison.Ordinal) && line.Contains("otel_metric_overflow", StringComparison.Ordinal));
        foreach (var role in new[] { Name(0), Name(Roles - 1) })
            text.Split('\n').ShouldContain(line => line.StartsWith("broker_claims_total{", StringComparison.Ordinal) && line.Contains($"\"{role}\"", StringComparison.Ordinal) && line.Contains("\"budget-exhausted\"", StringComparison.Ordinal) && line.Split(' ')[1] == "0");
        text.Split('\n').ShouldContain(line => line.StartsWith("broker_claim_duration_seconds_bucket{", StringComparison.Ordinal) && line.Contains($"\"{Name(Roles - 1)}\"", StringComparison.Ordinal) && line.Contains("le=\"2\"", StringComparison.Ordinal), "buckets of seconds");
    }
}
