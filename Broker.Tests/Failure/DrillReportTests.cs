using System.Text.Json;
using Broker.Core.Operators.Indicators;
using LoadTests.FromOutside.Chaos;
using LoadTests.FromOutside.Chaos.Drill;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Failure;

public sealed class DrillReportTests
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    private static readonly ChaosResult Good = new() { Fault = "redis-emptied", What = "Redis is started again with nothing in it", Redis = "single", HealedAfterMilliseconds = 1500, KnownAfterMilliseconds = 300, Queries = 1200, Granted = 340 };

    [Fact]
    public async Task The_broker_reads_what_the_drill_wrote()
    {
        var file = Path.Combine(Directory.CreateTempSubdirectory("broker-report-").FullName, "drill.json");
        await File.WriteAllTextAsync(file, DrillReport.Of(Noon.AddMinutes(-3), Noon, [Good]).ToJson(), TestContext.Current.CancellationToken);

        var indicator = new LastDrill(new() { ReportFile = file }, new FakeTimeProvider(Noon.AddDays(10))).Read();

        (indicator.Value, indicator.Met).ShouldBe((10, true));
        Directory.Delete(Path.GetDirectoryName(file)!, recursive: true);
    }

    [Fact]
    public void A_drill_passes_only_when_every_part_did()
    {
        var bad = Good with { Fault = "vault-sealed", Broken = new Dictionary<string, string> { ["L10"] = "It took too long." }, HealedAfterMilliseconds = null };
        var report = DrillReport.Of(Noon.AddMinutes(-3), Noon, [Good, bad]);

        report.Passed.ShouldBeFalse();
        report.ToMarkdown().ShouldSatisfyAllConditions(
            page => page.ShouldContain("FAILED"), page => page.ShouldContain("L10: It took too long."), page => page.ShouldContain("| 1.5 s |"), page => page.ShouldContain("| never |"));
        JsonDocument.Parse(report.ToJson()).RootElement.GetProperty("parts").GetArrayLength().ShouldBe(2);
        DrillReport.Of(Noon, Noon, [Good]).Passed.ShouldBeTrue();
    }
}
