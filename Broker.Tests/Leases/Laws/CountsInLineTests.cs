using Broker.Core.Ledger;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>A place in line is kept for whoever still wants it.</summary>
public sealed class CountsInLineTests : LedgerSequence
{
    [Theory]
    [InlineData(5)]
    [InlineData(3)]
    public async Task A_waiter_gets_no_fewer_connections_than_it_accepts_though_the_user_of_the_next_lease_may_open_fewer(int least)
    {
        await CountAsync(100);
        var waiter = InLine(1, 5) with { Least = least };
        var first = (await AskAsync(waiter)).ShouldBeOfType<ClaimAnswer.Issue>();
        await Ledger.Issues.FailAsync(Database, first.Lease, first.Fence, mayExist: false, "a test", TimeSpan.Zero, Cancellation);
        var next = (await AskAsync(Claim(2, 1))).ShouldBeOfType<ClaimAnswer.Issue>();
        var go = (await Ledger.Issues.BeginAsync(Database, next.Lease, next.Fence, "user", Fast, Cancellation)).ShouldBeOfType<BeginAnswer.Go>();
        (await Ledger.Issues.IssuedAsync(Database, next.Lease, next.Fence, "ref", "user", "sealed", Hour, go.Now, true, Cancellation)).ShouldBeTrue();
        (await Ledger.Issues.ActivateAsync(Database, next.Lease, next.Fence, 5 * Minute, 0.5, userLimit: 4, Cancellation)).ShouldBeTrue();
        (await Ledger.Holders.ReleaseAsync(Database, Id(2), Cancellation)).Had.ShouldNotBeNull();

        var answer = await AskAsync(waiter);

        if (least > 4) answer.ShouldBeOfType<ClaimAnswer.UserLimit>().Limit.ShouldBe(4);
        else answer.ShouldBeOfType<ClaimAnswer.Granted>().Connections.ShouldBe(4);
        (await GrantedAsync()).ShouldBe(least > 4 ? 0 : 4);
    }

    [Fact]
    public async Task L10_The_first_in_line_stays_first_over_a_time_without_a_count()
    {
        await FullButForAsync(2);
        (await PlaceAsync(2, 5)).ShouldBe(1);
        (await PlaceAsync(3, 1)).ShouldBe(2);
        for (var i = 0; i < 20; i++)
        {
            Clock.Now += Second; // the count is stale from the 15th on; both ask every second
            await AskAsync(InLine(2, 5));
            await AskAsync(InLine(3, 1));
        }

        (await AskAsync(InLine(3, 1))).ShouldBeOfType<ClaimAnswer.Stale>();
        await CountAsync(10);
        (await PlaceAsync(3, 1)).ShouldBe(2, "pod 2 came first and waits still");
    }

    [Fact]
    public async Task L10_Callers_that_come_while_nobody_can_count_are_in_line_in_the_order_of_coming()
    {
        await FullButForAsync(2);
        Clock.Now += 20 * Second;
        (await AskAsync(InLine(2, 5))).ShouldBeOfType<ClaimAnswer.Stale>();
        (await AskAsync(InLine(3, 5))).ShouldBeOfType<ClaimAnswer.Stale>();
        await CountAsync(10);
        (await PlaceAsync(3, 5)).ShouldBe(2);
        (await PlaceAsync(2, 5)).ShouldBe(1);
    }

    [Fact]
    public async Task L10_The_line_takes_no_more_than_it_may_also_while_nobody_can_count()
    {
        await FullButForAsync(1);
        Clock.Now += 20 * Second;
        for (var pod = 2; pod < 6; pod++)
            (await Ledger.Claims.ClaimAsync(Database, Fast, 2, [InLine(pod, 5)], Cancellation))[0].ShouldBeOfType<ClaimAnswer.Stale>();
        (await Ledger.Budgets.BudgetAsync(Database, ["r"], Cancellation)).Waiting.ShouldBe(2);
    }

    [Fact]
    public async Task A_caller_that_asks_twice_and_gives_up_one_request_keeps_its_place()
    {
        await FullButForAsync(1);
        var other = AnotherReplica();
        (await PlaceAsync(2, 5)).ShouldBe(1);
        (await PlaceAsync(3, 5)).ShouldBe(2);
        (await AskAsync(InLine(2, 5), other)).ShouldBeOfType<ClaimAnswer.InLine>().Place.ShouldBe(1);
        await AbandonAsync(2);
        (await AskAsync(InLine(2, 5), other)).ShouldBeOfType<ClaimAnswer.InLine>().Place.ShouldBe(1, "its other request has waited all the time");
    }

    [Fact]
    public async Task A_caller_that_gives_up_holds_up_nobody_meanwhile()
    {
        await FullButForAsync(1);
        (await PlaceAsync(2, 5)).ShouldBe(1);
        (await PlaceAsync(3, 1)).ShouldBe(2);
        await AbandonAsync(2);
        (await AskAsync(InLine(3, 1))).ShouldBeOfType<ClaimAnswer.Granted>();
        (await PlaceAsync(2, 5)).ShouldBe(1);
    }

    [Fact]
    public async Task A_place_that_was_given_up_for_good_is_not_kept()
    {
        await FullButForAsync(1);
        (await PlaceAsync(2, 5)).ShouldBe(1);
        (await PlaceAsync(3, 5)).ShouldBe(2);
        await AbandonAsync(2);
        Clock.Now += 4 * Second;
        await CountAsync(10);
        (await PlaceAsync(3, 5)).ShouldBe(1);
        (await PlaceAsync(2, 5)).ShouldBe(2);
    }

    [Fact]
    public async Task Connections_that_one_of_two_requests_gave_up_go_to_the_other_first()
    {
        await CountAsync(10);
        (await AskAsync(Claim(1, 8) with { Pool = "p" })).ShouldBeOfType<ClaimAnswer.Issue>();      // eight are reserved, and the lease is being issued
        (await AskAsync(InLine(2, 5))).ShouldBeOfType<ClaimAnswer.InLine>();
        await AbandonAsync(1);                                                                      // one of pod 1's two requests; pod 2 is served
        (await AskAsync(InLine(3, 5))).ShouldNotBeOfType<ClaimAnswer.InLine>();
        (await AskAsync(InLine(4, 5))).ShouldBeOfType<ClaimAnswer.InLine>().Place.ShouldBe(1);
        (await AskAsync(InLine(1, 8) with { Pool = "p" })).ShouldBeOfType<ClaimAnswer.InLine>().Place.ShouldBe(1, "it had been served before all that wait");
    }

    private async Task FullButForAsync(int free)
    {
        await CountAsync(10);
        await ActiveAsync();
        (await AskAsync(Claim(1, 9 - free))).ShouldBeOfType<ClaimAnswer.Granted>();
    }

    private async Task<int> PlaceAsync(int pod, int connections) => (await AskAsync(InLine(pod, connections))).ShouldBeOfType<ClaimAnswer.InLine>().Place;

    private ValueTask AbandonAsync(int pod) => Ledger.Claims.AbandonAsync(Database, Id(pod), Cancellation);
}
