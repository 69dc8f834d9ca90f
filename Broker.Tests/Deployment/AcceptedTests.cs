using Shouldly;
using Xunit;

namespace Broker.Tests.Deployment;

/// <summary>The programs that will read the files accept them.</summary>
public class AcceptedTests
{
    [Fact]
    public async Task Compose_accepts_its_file()
    {
        var answer = await Programs.RunAsync("docker-compose", "-f", Repository.PathOf("docker-compose.yml"), "config");

        answer.ShouldContain("broker-1:");
    }

    [Fact]
    public async Task Prometheus_accepts_its_configuration_and_the_rules()
    {
        await Programs.RunAsync("promtool", "check", "config", "--syntax-only", Repository.PathOf("docs/compose/prometheus.yml"));
        var answer = await Programs.RunAsync("promtool", "check", "rules", Repository.PathOf("docs/alerts/broker.rules.yml"));

        answer.ShouldContain("SUCCESS");
    }

    [Fact]
    public async Task Each_alert_fires_on_what_it_is_for_and_none_while_all_is_well() =>
        (await Programs.RunAsync("promtool", "test", "rules", Repository.PathOf("docs/alerts/broker.tests.yml"))).ShouldContain("SUCCESS");
}
