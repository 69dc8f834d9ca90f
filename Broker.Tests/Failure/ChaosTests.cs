using Broker.Core.Operators.Indicators;
using LoadTests.FromOutside.Chaos;
using LoadTests.FromOutside.Chaos.Drill;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Failure;

/// <summary>
/// A few of the misfortunes of <c>loadtests chaos</c>, with a smaller load: real brokers, PostgreSQL and Redis, pods at work. And a
/// few that the laws do not allow, to see that they are noticed.
/// </summary>
public sealed class ChaosTests
{
    private static readonly ChaosSettings Small = new() { Pods = 8, Replicas = 2, Calm = TimeSpan.FromSeconds(0.5), Freeze = TimeSpan.FromSeconds(3) };

    // A slow machine takes longer for everything; how long things may take is what `loadtests chaos` is for.
    private static readonly ChaosSettings Patient = Small with { Asks = Small.Asks with { WaitSeconds = 30 }, LongestOver = TimeSpan.FromMinutes(1), HealsWithin = TimeSpan.FromMinutes(5), IssueDeadline = TimeSpan.FromMinutes(1), StaleAfter = TimeSpan.FromMinutes(1), KnownWithin = TimeSpan.FromMinutes(8), AlsoTold = ["ledger-unavailable", "issuer-unavailable", "issue-throttled"] };

    [Theory]
    [InlineData("scripts-flushed")]
    [InlineData("redis-emptied")]
    [InlineData("clocks-apart")]
    [InlineData("replicas-upgraded")]
    public async Task L1_L2_L4_L5_L7_L8_L9_L10_No_law_is_broken_when_it_happens(string name)
    {
        var result = await RunAsync(Misfortunes.Named(name), Patient);

        result.Broken.ShouldBeEmpty();
        // Nothing is proven by a load that did not go on.
        result.Granted.ShouldBeGreaterThan(Small.Pods);
        result.Queries.ShouldBeGreaterThan(Small.Pods);
        result.AuditLines.ShouldBeGreaterThanOrEqualTo(result.Granted);
    }

    [Fact]
    public async Task A_part_of_the_drill_passes_on_real_servers_and_the_broker_believes_its_report()
    {
        var folder = Directory.CreateTempSubdirectory("broker-drill-").FullName;
        var report = await DrillCommand.RunAsync(["replicas-rolled"], Patient, _ => { }, TimeProvider.System, TestContext.Current.CancellationToken);
        report.Passed.ShouldBeTrue(report.ToMarkdown());
        await File.WriteAllTextAsync(Path.Combine(folder, "drill.json"), report.ToJson(), TestContext.Current.CancellationToken);

        new LastDrill(new() { ReportFile = Path.Combine(folder, "drill.json") }, TimeProvider.System).Read().Met.ShouldBe(true);
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task What_no_law_allows_is_noticed()
    {
        var result = await RunAsync(new Sabotage(), Small with { KnownWithin = TimeSpan.FromSeconds(1) });

        // On a slow machine calls may be late besides (L10).
        foreach (var law in new[] { "L1", "L2", "L4", "L5", "L7", "else" }) result.Broken.Keys.ShouldContain(law, string.Join("; ", result.Broken));
        result.Broken["L1"].ShouldContain("users were made");
        result.Broken["L4"].ShouldContain("a login ended before its time");
        result.Broken["L5"].ShouldContain("b-orders-api-nobody");
        result.Broken["L7"].ShouldContain("the audit has 0 lines of it");
    }

    [Fact]
    public void Every_misfortune_stands_in_the_list_under_a_name_of_its_own()
    {
        var types = typeof(Misfortune).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(Misfortune)) && !type.IsAbstract);

        Misfortunes.All.Select(misfortune => misfortune.GetType()).ShouldBe(types, ignoreOrder: true);
        Misfortunes.All.Select(misfortune => misfortune.Name).ShouldBeUnique();
        Misfortunes.All.ShouldAllBe(misfortune => misfortune.What.Length > 0);
    }

    private static Task<ChaosResult> RunAsync(Misfortune misfortune, ChaosSettings settings) =>
        new ChaosRun(settings, misfortune, _ => { }, TimeProvider.System).RunAsync(TestContext.Current.CancellationToken);

    /// <summary>
    /// What nobody may do: a user is made that no ledger knows, the holders' sessions are ended and no others let in, the
    /// audit is emptied, and callers are told what nothing explains.
    /// </summary>
    private sealed class Sabotage : Misfortune
    {
        public override string Name => "sabotage";

        public override string What => "everything that no law allows";

        public override async Task HappenAsync(Scene scene, CancellationToken cancellation)
        {
            await scene.Weather.ExecuteAsync("""CREATE ROLE "b-orders-api-nobody"; INSERT INTO weather.made VALUES ('b-orders-api-nobody')""", cancellation);
            await scene.Weather.ExecuteAsync("ALTER DATABASE app CONNECTION LIMIT 1", cancellation);
            await scene.Weather.ExecuteAsync("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'b-orders-api-%'", cancellation);
            await scene.Stage.Redis!.PauseAsync();
            await Eventually.HoldsAsync(() => Task.FromResult(IsSeen(scene.Load)), "the pods meet with all of it", cancellation);
            await scene.Stage.Redis.ResumeAsync();
            await scene.Weather.ExecuteAsync("ALTER DATABASE app CONNECTION LIMIT -1", cancellation);
            foreach (var file in scene.Stage.AuditFiles) await File.WriteAllTextAsync(file, "", cancellation);
        }

        private static bool IsSeen(Load load) =>
            load.Calls.Any(call => call.Outcome == "ledger-unavailable")
            && load.Incidents.Any(incident => incident.SqlState == PostgresErrorCodes.TooManyConnections)
            && load.Incidents.Any(incident => incident.SqlState != PostgresErrorCodes.TooManyConnections);
    }
}
