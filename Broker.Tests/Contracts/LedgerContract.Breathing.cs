using Broker.Core.Ledger;
using Shouldly;
using Xunit;

namespace Broker.Tests.Contracts;

/// <summary>Holders that follow sizes are given more when connections are free, and asked to go down when others have less than is fair.</summary>
public abstract partial class LedgerContract
{
    [Fact]
    public Task A_lone_holder_that_left_room_for_those_expected_is_given_what_it_wants_when_they_do_not_come() => WithoutStallAsync(async () =>
    {
        await CountedAsync(65);
        await ActiveAsync();
        var claim = Ranged(1, 1, 5) with { Role = Terms with { Seats = 125 } };
        (await ClaimAsync(claim)).ShouldBeOfType<ClaimAnswer.Granted>().Connections.ShouldBe(1);
        (await FollowAsync(claim, 0)).Connections.ShouldBe(1, "others may be about to come");
        await StillAsync();
        var grown = await FollowAsync(claim, 0);
        (grown.Connections, grown.DownTo).ShouldBe((5, null));
        grown.Allotment.ShouldNotBeNull().ShouldBeGreaterThan(0);
        (await BudgetAsync()).Granted.ShouldBe(6, "more counts at once");
        (await ClaimAsync(claim)).ShouldBeOfType<ClaimAnswer.Granted>().Connections.ShouldBe(5);
        (await ClaimAsync(claim with { Kind = ClaimKind.Renew })).ShouldBeOfType<ClaimAnswer.Granted>().Allotment.ShouldBeNull("it does not say that it follows");
    });

    [Fact]
    public Task L2_What_a_holder_gives_back_counts_as_its_own_until_it_has_confirmed() => WithoutStallAsync(async () =>
    {
        var greedy = await GreedyAsync(20);
        (await ClaimAsync(Waiting(9, 5))).ShouldBeOfType<ClaimAnswer.InLine>();
        var told = await FollowAsync(greedy, 0);
        (told.Connections, told.DownTo).ShouldBe((19, 14));
        (await BudgetAsync()).Granted.ShouldBe(20);
        (await ClaimAsync(Waiting(9, 5))).ShouldBeOfType<ClaimAnswer.InLine>();
        (await FollowAsync(greedy, 0)).Connections.ShouldBe(19, "saying nothing new confirms nothing");
        (await FollowAsync(greedy, told.Allotment!.Value - 1)).Connections.ShouldBe(19);

        var confirmed = await FollowAsync(greedy, told.Allotment.Value);
        (confirmed.Connections, confirmed.DownTo, confirmed.Allotment).ShouldBe((14, null, told.Allotment));
        (await ClaimAsync(Waiting(9, 5))).ShouldBeOfType<ClaimAnswer.Granted>().Connections.ShouldBe(5);
        (await BudgetAsync()).Granted.ShouldBe(20);
    });

    [Fact]
    public Task L2_A_confirmation_that_comes_late_changes_nothing_of_what_was_told_since() => WithoutStallAsync(async () =>
    {
        var greedy = await GreedyAsync(20);
        (await ClaimAsync(Waiting(9, 5))).ShouldBeOfType<ClaimAnswer.InLine>();
        var first = (await FollowAsync(greedy, 0)).Allotment!.Value;
        await Ledger.Claims.AbandonAsync(database, Id(9), Cancellation);
        var kept = await FollowAsync(greedy, 0);
        (kept.Connections, kept.DownTo).ShouldBe((19, null), "nobody waits any more");
        kept.Allotment!.Value.ShouldBeGreaterThan(first);
        (await FollowAsync(greedy, first)).Connections.ShouldBe(19, "it may have all of it open again");
        (await ClaimAsync(greedy)).ShouldBeOfType<ClaimAnswer.Granted>().Connections.ShouldBe(19);
    });

    [Fact]
    public Task A_holder_that_does_not_follow_sizes_or_cannot_do_with_less_keeps_what_it_has() => WithoutStallAsync(async () =>
    {
        await CountedAsync(20);
        await ActiveAsync();
        (await ClaimAsync(Ranged(1, 1, 10))).ShouldBeOfType<ClaimAnswer.Granted>().Connections.ShouldBe(10);
        (await ClaimAsync(Ranged(2, 9, 9))).ShouldBeOfType<ClaimAnswer.Granted>();
        await FollowAsync(Ranged(2, 9, 9), 0);
        (await ClaimAsync(Waiting(9, 5))).ShouldBeOfType<ClaimAnswer.InLine>();
        (await FollowAsync(Ranged(2, 9, 9), 0)).DownTo.ShouldBeNull();
        (await ClaimAsync(Ranged(1, 1, 10) with { Kind = ClaimKind.Renew })).ShouldBeOfType<ClaimAnswer.Granted>().Connections.ShouldBe(10);
    });

    [Fact]
    public Task A_holder_that_never_confirms_keeps_what_it_has_and_others_are_asked() => WithoutStallAsync(async () =>
    {
        await CountedAsync(21);
        await ActiveAsync();
        foreach (var pod in new[] { 1, 2 })
        {
            (await ClaimAsync(Ranged(pod, 1, 10))).ShouldBeOfType<ClaimAnswer.Granted>();
            await FollowAsync(Ranged(pod, 1, 10), 0);
        }

        (await ClaimAsync(Waiting(9, 4))).ShouldBeOfType<ClaimAnswer.InLine>();
        var (one, two) = (await FollowAsync(Ranged(1, 1, 10), 0), await FollowAsync(Ranged(2, 1, 10), 0));
        (one.DownTo + two.DownTo).ShouldBe(16);
        await TamperAsync(LedgerKeys.Of(database)[Array.IndexOf(LedgerKeys.Parts, "asked_of")], Id(1), "1");
        (await ClaimAsync(Waiting(9, 4))).ShouldBeOfType<ClaimAnswer.InLine>();
        two = await FollowAsync(Ranged(2, 1, 10), 0);
        two.DownTo.ShouldBe(6, "it alone makes the room now");
        await FollowAsync(Ranged(2, 1, 10), two.Allotment!.Value);
        (await ClaimAsync(Waiting(9, 4))).ShouldBeOfType<ClaimAnswer.Granted>().Connections.ShouldBe(4);
        (await BudgetAsync()).Granted.ShouldBe(21);
    });

    [Fact]
    public Task What_is_guaranteed_is_kept_free_and_nobody_who_waits_is_ahead_of_it() => WithoutStallAsync(async () =>
    {
        await TermsAsync(20, new PartyTerms("small", 1, 8, 0));
        await ActiveAsync();
        var all = (await ClaimAsync(Ranged(1, 1, 20))).ShouldBeOfType<ClaimAnswer.Granted>();
        (all.Connections, all.Fewer).ShouldBe((11, "guaranteed 8"));
        (await ClaimAsync(Waiting(2, 1))).ShouldBeOfType<ClaimAnswer.InLine>("what is left is another's");
        var small = Ranged(3, 5, 5) with { Holder = $"small.{3:D28}", Party = "small", Role = Terms with { Name = "small" } };
        (await ClaimAsync(small)).ShouldBeOfType<ClaimAnswer.Granted>().Connections.ShouldBe(5);
        (await ClaimAsync(small with { Holder = $"small.{4:D28}", Least = 1 })).ShouldBeOfType<ClaimAnswer.Granted>().Connections.ShouldBe(3);
        (await ClaimAsync(small with { Holder = $"small.{5:D28}", Least = 1 })).ShouldBeOfType<ClaimAnswer.Exhausted>().CouldAskFor.ShouldBe(0);
    });

    [Fact]
    public Task A_higher_priority_waits_ahead_and_goes_down_last() => WithoutStallAsync(async () =>
    {
        await TermsAsync(20, new PartyTerms("urgent", 1, 0, 5));
        await ActiveAsync();
        var first = Claim(1, 19);
        (await ClaimAsync(first)).ShouldBeOfType<ClaimAnswer.Granted>();
        (await ClaimAsync(Waiting(2, 3))).ShouldBeOfType<ClaimAnswer.InLine>().Place.ShouldBe(1);
        var urgent = Waiting(3, 3) with { Holder = $"urgent.{3:D28}", Party = "urgent", Role = Terms with { Name = "urgent" } };
        (await ClaimAsync(urgent)).ShouldBeOfType<ClaimAnswer.InLine>().Place.ShouldBe(1);
        (await ClaimAsync(Waiting(2, 3))).ShouldBeOfType<ClaimAnswer.InLine>().Place.ShouldBe(2);
    });

    [Fact]
    public Task What_a_rolling_update_may_need_stays_free_when_holders_grow() => WithoutStallAsync(async () =>
    {
        await Ledger.Budgets.SampleAsync(
            database, 12, 200, 3, 12, 0, TimeSpan.FromMinutes(5), Cancellation, terms: new([], [new("r", 2, 100, 1)]));
        await ActiveAsync();
        var claim = Ranged(1, 1, 20) with { Role = Terms with { Seats = 12 } };
        (await ClaimAsync(claim)).ShouldBeOfType<ClaimAnswer.Granted>().Connections.ShouldBe(1);
        await StillAsync();
        (await FollowAsync(claim, 0)).Connections.ShouldBe(9, "one is pod 0's, and two are for the new pods of two");
        (await ClaimAsync(Claim(2, 1))).ShouldBeOfType<ClaimAnswer.Granted>();
        (await ClaimAsync(Claim(3, 1))).ShouldBeOfType<ClaimAnswer.Granted>();
    });

    [Fact]
    public Task L8_A_ledger_that_lost_everything_is_told_the_sizes_and_ranges_that_count() => WithoutStallAsync(async () =>
    {
        var greedy = await GreedyAsync(20);
        (await ClaimAsync(Waiting(9, 5))).ShouldBeOfType<ClaimAnswer.InLine>();
        var told = await FollowAsync(greedy, 0);
        told.Range.ShouldNotBeNull().ShouldStartWith("1:20:");
        await Ledger.Leases.RestoreAsync(
            "other" + database, "1", [], [new(greedy.Holder, told.Lease, told.Connections, told.EndsIn, told.Mark, "c", told.Range)], [], 0.5, "a test", Cancellation);
        (await Ledger.Budgets.BudgetAsync("other" + database, ["r"], Cancellation)).Granted.ShouldBe(19);
    });

    private static Claim Ranged(int pod, int least, int want) => Claim(pod, want) with { Least = least };

    private async Task<ClaimAnswer.Granted> FollowAsync(Claim claim, long allotment) =>
        (await ClaimAsync(claim with { Kind = ClaimKind.Renew, Allotment = allotment })).ShouldBeOfType<ClaimAnswer.Granted>();

    // One holder has all that is left, and follows sizes.
    private async Task<Claim> GreedyAsync(int capacity)
    {
        await CountedAsync(capacity);
        await ActiveAsync();
        var greedy = Ranged(1, 1, capacity);
        (await ClaimAsync(greedy)).ShouldBeOfType<ClaimAnswer.Granted>().Connections.ShouldBe(capacity - 1);
        (await FollowAsync(greedy, 0)).DownTo.ShouldBeNull();
        return greedy;
    }

    private Task TermsAsync(int capacity, params PartyTerms[] parties) =>
        Ledger.Budgets.SampleAsync(database, capacity, 200, 3, capacity, 0, TimeSpan.FromMinutes(5), Cancellation, terms: new(parties, [])).AsTask();

    // As if no holder had come for a while.
    private Task StillAsync() => TamperAsync(LedgerKeys.Of(database)[0], "came", "0");
}
