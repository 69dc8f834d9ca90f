using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Broker.Core.Operators;
using Broker.Core.Operators.Indicators;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

public sealed class IndicatorTests : IDisposable
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly string report = Path.Combine(Directory.CreateTempSubdirectory("broker-drill-").FullName, "drill.json");

    public void Dispose() => Directory.Delete(Path.GetDirectoryName(report)!, recursive: true);

    [Fact]
    public void Nothing_is_said_of_what_did_not_happen()
    {
        var all = Of(new(), null, null);
        all.Select(static one => one.Name).ShouldBe(["credential-latency", "authentication-failures", "unverified-leases", "connection-use", "availability", "audit-complete"]);
        all.Where(static one => one.Met is not null).ShouldHaveSingleItem().Name.ShouldBe("audit-complete");
    }

    [Theory]
    [InlineData(98, 1, 1, 0, 2.0, true)]
    [InlineData(98, 0, 2, 0, 5.0, false)]
    [InlineData(100, 0, 0, 0, 0.01, true)]
    [InlineData(0, 1, 0, 0, 2.0, true)]
    [InlineData(0, 0, 0, 1, 60.0, false)]
    public void Latency_is_that_of_99_of_100_grants(int quick, int atTwo, int atFive, int endless, double value, bool met)
    {
        var within = new long[LastHourCounts.Seconds.Count];
        (within[0], within[7], within[8], within[^1]) = (quick, atTwo, atFive, endless);

        var latency = Of(new() { GrantedWithin = within }, null, null)[0];

        (latency.Value, latency.Met).ShouldBe((value, met));
    }

    [Theory]
    [InlineData(1000, 9, true)]
    [InlineData(1000, 10, false)]
    [InlineData(0, 0, null)]
    public void Authentication_fails_for_less_than_one_in_a_hundred(long requests, long unproven, bool? met) =>
        Of(new() { Requests = requests, Unproven = unproven }, null, null)[1].Met.ShouldBe(met);

    [Theory]
    [InlineData(10_000, 9, true)]
    [InlineData(10_000, 10, false)]
    [InlineData(0, 0, null)]
    public void Availability_is_more_than_999_in_1000(long claims, long failed, bool? met) =>
        Of(new() { Claims = claims, Failed = failed }, null, null)[4].Met.ShouldBe(met);

    [Fact]
    public void An_audit_that_could_not_be_written_is_told() =>
        Of(new() { Unrecorded = 1 }, null, null)[5].Met.ShouldBe(false);

    [Fact]
    public void An_audit_that_one_of_its_sinks_misses_is_told_with_that_sink()
    {
        Of(new(), null, null, new("/audit.jsonl", IsUp: true), new AuditSink("syslog", IsUp: true))[5].Met.ShouldBe(true);
        var audit = Of(new(), null, null, new("/audit.jsonl", IsUp: true), new AuditSink("syslog", IsUp: false))[5];
        audit.Met.ShouldBe(false);
        audit.Detail.ShouldEndWith(" No records are accepted by: syslog.");
    }

    [Theory]
    [InlineData(LeaseState.Active, 6, 1, 5, 0)]
    [InlineData(LeaseState.Active, 7, 1, 5, 1)]
    [InlineData(LeaseState.Active, 7, 0, 5, 1)] // it is tried although nobody holds it
    [InlineData(LeaseState.Active, null, 0, 5, 0)] // nobody holds it, and the next to come has it tried
    [InlineData(LeaseState.Active, null, 1, 5, 1)]
    [InlineData(LeaseState.Retiring, 60, 1, 5, 1)]
    [InlineData(LeaseState.Retiring, 5, 1, 5, 0)]
    [InlineData(LeaseState.Revoking, 60, 1, 5, 0)]
    [InlineData(LeaseState.Active, 60, 1, 0, 0)]
    public void A_lease_whose_login_was_not_tried_for_longer_than_promised_is_late(LeaseState state, int? minutes, int holders, int every, int late)
    {
        var role = RoleOf(TimeSpan.FromMinutes(every));
        var found = IndicatorRules.Of(new(), null, [LeaseOf(state, minutes is { } ago ? Noon - TimeSpan.FromMinutes(ago) : null) with { Holders = holders }], new Dictionary<string, Role> { [role.Name] = role }, []).ElementAt(2);
        (found.Value, found.Met).ShouldBe((late, late == 0));
    }

    [Theory]
    [InlineData(40, 29, false, 0.69, true)]
    [InlineData(40, 30, false, 0.7, false)]
    [InlineData(40, 0, true, null, null)]
    public void The_fullest_database_counts_and_one_that_could_not_be_counted_is_not_well(int granted, int foreign, bool stale, double? value, bool? met)
    {
        var use = Of(new(), [BudgetOf(granted, foreign, stale)], [])[3];
        (use.Value, use.Met).ShouldBe((value, met));
    }

    [Theory]
    [InlineData(null, false)]
    [InlineData("{\"endedAt\":\"2025-12-01T12:00:00Z\",\"passed\":true}", true)]
    [InlineData("{\"endedAt\":\"2025-12-01T12:00:00Z\",\"passed\":false}", false)]
    [InlineData("{\"endedAt\":\"2025-09-01T12:00:00Z\",\"passed\":true}", false)]
    [InlineData("{\"endedAt\":\"2026-01-02T12:00:00Z\",\"passed\":true}", false)]
    [InlineData("{\"passed\":true}", false)]
    [InlineData("[]", false)]
    [InlineData("no report", false)]
    public void The_last_drill_passed_and_is_not_too_old(string? content, bool met)
    {
        if (content is not null) File.WriteAllText(report, content);
        var drill = new LastDrill(new() { ReportFile = report }, new FakeTimeProvider(Noon)).Read();
        drill.Met.ShouldBe(met, drill.Detail);
        drill.Value.ShouldBe(content?.Contains("12-01", StringComparison.Ordinal) == true ? 31 : content?.Contains("09-01", StringComparison.Ordinal) == true ? 122 : null);
    }

    [Fact]
    public void Without_a_report_it_is_said_which_setting_names_one() =>
        new LastDrill(new(), new FakeTimeProvider(Noon)).Read().Detail.ShouldContain("Broker:Drill:ReportFile");

    /// <summary>The broker promises no more than the ceiling, so a database can be full for it far below the server's limit.</summary>
    [Theory]
    [InlineData(137, 0, false, 1.0, false)]
    [InlineData(90, 0, false, 0.657, true)]
    [InlineData(90, 40, false, 0.657, true)]
    [InlineData(0, 0, true, 0.0, true)]
    public void A_database_is_full_when_nothing_more_may_be_promised(int granted, int keptElsewhere, bool resting, double value, bool met)
    {
        var budget = BudgetOf(granted, 0, stale: false);
        var capacity = resting ? 0 : 137 - keptElsewhere;
        var use = Of(new(), [budget with { Record = budget.Record with { Limit = 200, Ceiling = 137, Capacity = capacity, KeptElsewhere = keptElsewhere, Resting = resting } }], [])[3];
        use.Value!.Value.ShouldBe(value, 0.001);
        use.Met.ShouldBe(met);
    }

    private static Indicator[] Of(LastHourCounts hour, IReadOnlyList<Budget>? budgets, IReadOnlyList<LeaseRecord>? leases, params IReadOnlyList<AuditSink> sinks) =>
        [.. IndicatorRules.Of(hour, budgets, leases, new Dictionary<string, Role>(), sinks)];

    private static Budget BudgetOf(int granted, int foreign, bool stale) => new(
        new()
        {
            Name = "orders",
            Engine = DatabaseEngineKind.PostgreSql,
            Host = "db",
            Port = 5432,
            DatabaseName = "app",
            AdminConnectionString = new("x"),
            Budget = new(),
            Issuing = new(),
        },
        new(Noon, stale ? null : Noon, 100, 3, 100, foreign, 0, 100, granted, 0, []),
        [], "s");

    private static Role RoleOf(TimeSpan verifyEvery) => Catalog.Configured.Read().Catalog!.Roles["orders-api"] with { VerifyEvery = verifyEvery };

    private static LeaseRecord LeaseOf(LeaseState state, DateTimeOffset? verifiedAt) => new()
    {
        Id = "l",
        Database = "orders",
        Role = "orders-api",
        Pool = "p",
        State = state,
        Username = "u",
        IssuerId = "",
        SealedLogin = "",
        CreatedAt = Noon - TimeSpan.FromDays(1),
        IssuedAt = Noon - TimeSpan.FromDays(1),
        VerifiedAt = verifiedAt,
        ExpiresAt = Noon + TimeSpan.FromDays(1),
        RenewAt = null,
        Renewable = true,
        Life = TimeSpan.FromDays(2),
        Holders = 1,
        Connections = 1,
        EmptySince = null,
        IdleTtl = TimeSpan.Zero,
        AttemptUntil = null,
        Begun = true,
        Shut = false,
        MaxHolders = 1,
        Cap = null,
        CappedAt = null,
        Reason = "",
        ReadAt = Noon,
    };
}
