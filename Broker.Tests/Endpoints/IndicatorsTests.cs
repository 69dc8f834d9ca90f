using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Shouldly;
using Xunit;

namespace Broker.Tests.Endpoints;

public sealed class IndicatorsTests(RunningBroker broker)
{
    [Fact]
    public async Task A_viewer_reads_the_seven_indicators_each_with_its_objective()
    {
        using var viewer = await broker.ViewerAsync();
        var answer = await viewer.GetFromJsonAsync<JsonObject>(new Uri("/api/v1/indicators", UriKind.Relative), TestContext.Current.CancellationToken);

        var all = answer!["indicators"]!.AsArray();
        all.Select(static one => one!["name"]!.GetValue<string>()).ShouldBe(
            ["credential-latency", "authentication-failures", "unverified-leases", "connection-use", "availability", "audit-complete", "recovery-drill"]);
        foreach (var one in all)
        {
            one!["objective"]!.GetValue<string>().ShouldNotBeEmpty();
            one["detail"]!.GetValue<string>().ShouldNotBeEmpty();
            one.AsObject().ContainsKey("met").ShouldBeTrue();
        }
    }
}
