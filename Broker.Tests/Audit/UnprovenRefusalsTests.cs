using Broker.Core.Audit;
using Broker.Core.Audit.Unproven;
using Broker.Core.Catalog;
using Broker.Core.Model;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Audit;

/// <summary>Requests without a proof, as fast as somebody can send them (law L15).</summary>
public sealed class UnprovenRefusalsTests
{
    private readonly FakeTimeProvider time = new(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly KeptAudit audit = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task L15_A_flood_from_one_address_is_five_lines_and_a_sum()
    {
        await using var refusals = Create();
        for (var request = 0; request < 10_000; request++) await refusals.WriteAsync(Refusal(), "192.0.2.1", Cancel);
        time.Advance(TimeSpan.FromMinutes(1));

        audit.Records.Count.ShouldBe(UnprovenRefusals.EachOfAnAddress + 1);
        var sum = audit.Records[^1];
        (sum.Times, sum.ClientAddress, sum.Outcome).ShouldBe((10_000 - UnprovenRefusals.EachOfAnAddress, "192.0.2.1", AuditOutcome.Refused));
        sum.Detail!.ShouldContain("2026-03-01T12:00:00");
    }

    [Fact]
    public async Task L15_A_flood_from_many_addresses_is_bounded_in_lines_and_memory_and_nothing_goes_uncounted()
    {
        await using var refusals = Create();
        for (var request = 0; request < 200_000; request++) await refusals.WriteAsync(Refusal(), $"a{request % 50_000}", Cancel);
        refusals.Addresses.ShouldBe(10_000);
        time.Advance(TimeSpan.FromMinutes(1));

        audit.Records.Count.ShouldBeLessThanOrEqualTo(UnprovenRefusals.EachOfAll + UnprovenRefusals.SummedUp + 1);
        audit.Records.Sum(record => record.Times ?? 1).ShouldBe(200_000);
        refusals.Addresses.ShouldBe(0);
    }

    [Fact]
    public async Task L15_One_address_cannot_hide_what_another_does()
    {
        await using var refusals = Create();
        for (var request = 0; request < 1000; request++) await refusals.WriteAsync(Refusal(), "flood", Cancel);
        (await refusals.WriteAsync(Refusal() with { ClientAddress = "other" }, "other", Cancel)).ShouldBeTrue("it is written by itself");
        audit.Records[^1].ClientAddress.ShouldBe("other");
    }

    [Fact]
    public async Task L15_Texts_of_callers_that_proved_nobody_are_short()
    {
        await using var refusals = Create();
        await refusals.WriteAsync(Refusal() with { Role = new('r', 5000), Detail = new('\u0001', 5000) }, "a", Cancel);

        audit.Records.Single().Role!.Length.ShouldBe(201);
        audit.Records.Single().Detail!.Length.ShouldBe(34, "each of its letters takes six bytes");
    }

    [Fact]
    public async Task L15_A_record_that_cannot_be_written_keeps_nobody_from_being_refused_and_the_rest_is_written_at_the_end()
    {
        var refusals = Create();
        audit.IsFull = true;
        for (var request = 0; request < 10; request++) await refusals.WriteAsync(Refusal(), "a", Cancel);
        audit.IsFull = false;
        await refusals.DisposeAsync();

        audit.Records.ShouldHaveSingleItem().Times.ShouldBe(5);
    }

    [Theory]
    [InlineData(64)]
    [InlineData(2048)]
    [InlineData(1_048_576)]
    public void L15_The_file_of_those_who_prove_nobody_is_bounded_whatever_the_record_itself_may_have(int megabytes)
    {
        var apart = new AuditSettings { Path = "/a/audit.jsonl", UnprovenMegabytes = megabytes, Rotation = new() { MaxMegabytes = 0, Keep = 100_000 } }.ForUnproven().ShouldNotBeNull();
        apart.Path.ShouldBe("/a/audit-unproven.jsonl");
        (apart.Rotation.MaxMegabytes * (apart.Rotation.Keep + 1)).ShouldBeInRange(megabytes / 2, megabytes);
    }

    private UnprovenRefusals Create() => new(audit, time, NullLogger<UnprovenRefusals>.Instance);

    private static AuditRecord Refusal() => new()
    {
        Time = default,
        Action = AuditAction.Claim,
        Outcome = AuditOutcome.Refused,
        Refusal = RefusalCode.Unauthenticated,
        ClientAddress = "192.0.2.1",
        Detail = "POST /x: no token",
    };
}
