using Broker.Core.Audit;
using Broker.Core.Model;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Audit;

/// <summary>Callers that are proven, and refused as fast as they can ask (law L15).</summary>
public sealed class CallerRefusalsTests
{
    private readonly FakeTimeProvider time = new(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly KeptAudit audit = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task L15_A_flood_of_one_callers_refusals_is_bounded_and_summed_up()
    {
        await using var refusals = Create();
        for (var request = 0; request < 100_000; request++) await refusals.WriteAsync(Refusal("loops"), Cancel);
        time.Advance(TimeSpan.FromMinutes(1));

        audit.Records.Count.ShouldBe(CallerRefusals.MostPerCaller + 1);
        var sum = audit.Records[^1];
        (sum.CallerSubject, sum.Times, sum.Outcome, sum.Refusal).ShouldBe(("loops", 100_000 - CallerRefusals.MostPerCaller, AuditOutcome.Refused, RefusalCode.BudgetExhausted));
        sum.Detail!.ShouldContain("2026-03-01T12:00:00");

        await refusals.WriteAsync(Refusal("loops"), Cancel);
        audit.Records[^1].Times.ShouldBeNull("another minute has begun");
    }

    [Fact]
    public async Task L15_A_caller_hides_neither_what_it_is_given_nor_what_others_do_nor_what_operators_order()
    {
        await using var refusals = Create();
        for (var request = 0; request < 10_000; request++) await refusals.WriteAsync(Refusal("loops"), Cancel);
        audit.Records.Clear();

        await refusals.WriteAsync(Refusal("loops") with { Outcome = AuditOutcome.Granted, Refusal = null }, Cancel);
        await refusals.WriteAsync(Refusal("another"), Cancel);
        await refusals.WriteAsync(Refusal("loops") with { CallerPodUid = "another pod" }, Cancel);
        await refusals.WriteAsync(Refusal("loops") with { Action = AuditAction.Revoke, Outcome = AuditOutcome.Failed }, Cancel);
        await refusals.WriteAsync(Refusal("loops") with { CallerSubject = null, Outcome = AuditOutcome.Failed }, Cancel);

        audit.Records.Count.ShouldBe(5);
    }

    [Fact]
    public async Task L15_Many_callers_go_all_counted_and_memory_is_bounded()
    {
        await using var refusals = Create();
        for (var request = 0; request < 20_000; request++) await refusals.WriteAsync(Refusal($"pod-{request}"), Cancel);
        for (var request = 0; request < 2000; request++) await refusals.WriteAsync(Refusal("pod-1"), Cancel);
        time.Advance(TimeSpan.FromMinutes(1));

        audit.Records.Sum(record => record.Times ?? 1).ShouldBe(22_000);
        audit.Records.Count.ShouldBe(20_000 + CallerRefusals.MostPerCaller);
    }

    [Fact]
    public async Task L15_The_sum_is_written_at_the_end_and_a_full_disk_refuses_as_before()
    {
        var refusals = Create();
        for (var request = 0; request < CallerRefusals.MostPerCaller + 7; request++) await refusals.WriteAsync(Refusal("loops"), Cancel);
        await refusals.DisposeAsync();
        audit.Records[^1].Times.ShouldBe(7);

        audit.IsFull = true;
        await Should.ThrowAsync<AuditUnavailableException>(async () => await refusals.WriteAsync(Refusal("another"), Cancel));
    }

    [Theory]
    [InlineData(AuditAction.Issue)]
    [InlineData(AuditAction.Revoke)]
    [InlineData(AuditAction.Rotate)]
    [InlineData(AuditAction.End)]
    [InlineData(AuditAction.Ceiling)]
    [InlineData(AuditAction.Pause)]
    [InlineData(AuditAction.Session)]
    public async Task L15_Orders_that_are_refused_are_counted_like_other_refusals(AuditAction action)
    {
        await using var refusals = Create();
        for (var request = 0; request < 10_000; request++) await refusals.WriteAsync(Refusal("drowns") with { Action = action, Refusal = RefusalCode.LeaseUnknown }, Cancel);
        time.Advance(TimeSpan.FromMinutes(1));

        audit.Records.Count.ShouldBe(CallerRefusals.MostPerCaller + 1);
        audit.Records.Sum(record => record.Times ?? 1).ShouldBe(10_000);
    }

    [Fact]
    public async Task L15_Who_is_refused_all_the_time_gives_no_orders_until_the_minute_is_over()
    {
        await using var refusals = Create();
        var order = Refusal("drowns") with { Action = AuditAction.Session, Outcome = AuditOutcome.Ordered, Refusal = null };
        for (var request = 0; request <= CallerRefusals.MostPerCaller; request++)
        {
            (await refusals.WriteAsync(order, Cancel)).ShouldBeTrue();
            (await refusals.WriteAsync(Refusal("drowns") with { Action = AuditAction.Session }, Cancel)).ShouldBe(request < CallerRefusals.MostPerCaller, "what is counted says so");
        }

        await Should.ThrowAsync<TooManyRefusedException>(async () => await refusals.WriteAsync(order, Cancel));
        (await refusals.WriteAsync(order with { CallerSubject = "another" }, Cancel)).ShouldBeTrue();
        time.Advance(TimeSpan.FromMinutes(1));
        (await refusals.WriteAsync(order, Cancel)).ShouldBeTrue();
    }

    [Fact]
    public async Task L15_A_flood_of_one_callers_reads_is_bounded_and_summed_up_and_hides_no_refusal()
    {
        await using var refusals = Create();
        var read = Refusal("looks") with { Action = AuditAction.Read, Outcome = AuditOutcome.Granted, Refusal = null, Detail = "GET /api/v1/leases" };
        for (var request = 0; request < 10_000; request++) await refusals.WriteAsync(read, Cancel);
        await refusals.WriteAsync(Refusal("looks"), Cancel);
        audit.Records[^1].Outcome.ShouldBe(AuditOutcome.Refused);
        time.Advance(TimeSpan.FromMinutes(1));

        audit.Records.Count.ShouldBeLessThan(500);
        audit.Records.Where(record => record.Action == AuditAction.Read).Sum(record => record.Times ?? 1).ShouldBe(10_000);
        var sum = audit.Records[^1];
        (sum.CallerSubject, sum.Outcome).ShouldBe(("looks", AuditOutcome.Granted));
        sum.Detail!.ShouldContain("GET /api/v1/leases");
    }

    private CallerRefusals Create() => new(audit, time, NullLogger<CallerRefusals>.Instance);

    private static AuditRecord Refusal(string subject) => new()
    {
        Time = default,
        Action = AuditAction.Claim,
        Outcome = AuditOutcome.Refused,
        Refusal = RefusalCode.BudgetExhausted,
        CallerIssuer = "kubernetes",
        CallerSubject = subject,
        CallerPodUid = "uid",
        Detail = "nothing is free",
    };
}
