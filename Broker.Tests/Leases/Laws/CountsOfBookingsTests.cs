using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>Moments booked for issuing, and what failed issues leave behind.</summary>
public sealed class CountsOfBookingsTests : LedgerSequence
{
    private static readonly PaceSettings Pace = new() { UsersPerSecond = 5, Burst = 5, InFlight = 2 };

    [Fact]
    public async Task Moments_that_nobody_comes_for_do_not_hold_up_everybody_else()
    {
        await CountAsync(100);
        for (var pod = 10; pod < 3500; pod++)
        {
            await AskAsync(Claim(pod, 1) with { Pool = "r|" + pod, IssueWait = TimeSpan.Zero }, pace: Pace);
            await Ledger.Claims.AbandonAsync(Database, Id(pod), Cancellation);
        }

        (await AskAsync(Claim(1, 1) with { Pool = "other" }, pace: Pace)).ShouldNotBeOfType<ClaimAnswer.Throttled>();
        (await Ledger.Leases.LeasesAsync(Database, 10_000, Cancellation)).Count.ShouldBeLessThan(100);
    }

    [Fact]
    public async Task A_caller_that_comes_back_when_told_to_finds_its_moment()
    {
        await CountAsync(100);
        for (var pod = 10; pod < 15; pod++) (await AskAsync(Claim(pod, 1) with { Pool = "r|" + pod }, pace: Pace)).ShouldBeOfType<ClaimAnswer.Issue>();
        var told = (await AskAsync(Claim(1, 1) with { Pool = "mine", IssueWait = TimeSpan.Zero }, pace: Pace)).ShouldBeOfType<ClaimAnswer.Throttled>();
        for (var pod = 20; pod < 25; pod++) await AskAsync(Claim(pod, 1) with { Pool = "r|" + pod, IssueWait = TimeSpan.Zero }, pace: Pace);
        Clock.Now += told.StartsIn;
        (await AskAsync(Claim(1, 1) with { Pool = "mine", IssueWait = TimeSpan.Zero }, pace: Pace)).ShouldBeOfType<ClaimAnswer.Issue>();
    }

    [Fact]
    public async Task However_slow_the_pace_the_next_moment_is_kept()
    {
        await CountAsync(100);
        var slow = new PaceSettings { UsersPerSecond = 0.02, Burst = 1, InFlight = 1 };
        (await AskAsync(Claim(10, 1) with { Pool = "first" }, pace: slow)).ShouldBeOfType<ClaimAnswer.Issue>();
        var told = (await AskAsync(Claim(1, 1) with { Pool = "mine", IssueWait = TimeSpan.Zero }, pace: slow)).ShouldBeOfType<ClaimAnswer.Throttled>();
        Clock.Now += told.StartsIn;
        await CountAsync(100);
        (await AskAsync(Claim(1, 1) with { Pool = "mine", IssueWait = TimeSpan.Zero }, pace: slow)).ShouldBeOfType<ClaimAnswer.Issue>();
    }

    [Fact]
    public async Task What_is_kept_of_a_duty_whose_replica_died_is_forgotten_with_its_lease()
    {
        await CountAsync(10);
        var order = await ActiveAsync();
        Clock.Now += 6 * Minute;
        (await Ledger.Duties.DueAsync(Database, [], 10, 15 * Second, Cancellation)).Taken.ShouldContain(duty => duty.Name == "verify:" + order.Lease);
        foreach (var state in new[] { LeaseState.Retiring, LeaseState.Revoking, LeaseState.Revoked })
            (await Ledger.Leases.MoveAsync(Database, order.Lease, state, "a test", Cancellation)).ShouldBe(MoveAnswer.Moved);

        await Ledger.Leases.ForgetAsync(Database, order.Lease, Cancellation);

        Store.Copy().HashAt(LedgerKeys.Of(Database).Single(key => key.EndsWith(":takes", StringComparison.Ordinal))).ShouldNotContainKey("verify:" + order.Lease);
    }

    [Fact]
    public async Task What_is_kept_of_failed_issues_is_forgotten_with_their_leases()
    {
        await CountAsync(100);
        for (var pod = 0; pod < 50; pod++)
        {
            await FailAsync((await AskAsync(Claim(pod, 1) with { Pool = "r|" + pod })).ShouldBeOfType<ClaimAnswer.Issue>());
            await Ledger.Holders.ReleaseAsync(Database, Id(pod), Cancellation);
        }

        await ReapForAsync(90 * Minute);
        (await Ledger.Leases.LeasesAsync(Database, 1000, Cancellation)).ShouldBeEmpty();
        Store.Copy().HashAt(LedgerKeys.Of(Database)[3]).ShouldBeEmpty();
    }

    [Fact]
    public async Task L12_A_pool_that_goes_on_failing_does_not_begin_anew_when_its_first_failures_are_forgotten()
    {
        var pause = TimeSpan.Zero;
        for (var passed = TimeSpan.Zero; passed < 30 * Minute; passed += pause)
        {
            await CountAsync(100);
            await FailAsync((await AskAsync(Claim(1, 1))).ShouldBeOfType<ClaimAnswer.Issue>());
            pause = (await AskAsync(Claim(1, 1))).ShouldBeOfType<ClaimAnswer.Failed>().RetryIn;
            await ReapForAsync(pause);
        }

        pause.ShouldBe(Minute, TimeSpan.FromSeconds(2));
    }

    private async Task FailAsync(ClaimAnswer.Issue order)
    {
        await Ledger.Issues.BeginAsync(Database, order.Lease, order.Fence, "user", Fast, Cancellation);
        await Ledger.Issues.FailAsync(Database, order.Lease, order.Fence, mayExist: false, "the issuer is away", Second, Cancellation);
    }

    private async Task ReapForAsync(TimeSpan time)
    {
        for (var end = Clock.Now + time; Clock.Now < end;)
        {
            Clock.Now += end - Clock.Now < 2 * Second ? end - Clock.Now : 2 * Second;
            foreach (var duty in (await Ledger.Duties.DueAsync(Database, [], 100, 15 * Second, Cancellation)).Taken)
            {
                if (duty.Name.StartsWith("reap:", StringComparison.Ordinal)) await Ledger.Leases.ForgetAsync(Database, duty.Name[5..], Cancellation);
                await Ledger.Duties.DoneAsync(Database, duty, null, null, Cancellation);
            }
        }
    }
}
