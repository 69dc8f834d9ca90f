using Broker.Core.Ledger;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Contracts;

/// <summary>What is counted: connections, caps, leftovers.</summary>
public abstract partial class LedgerContract
{
    [Fact]
    public Task The_budget_says_what_was_counted_and_what_was_granted() => WithoutStallAsync(async () =>
    {
        await Ledger.Budgets.SampleAsync(database, 30, 100, 3, 60, 7, TimeSpan.FromMinutes(5), Cancellation, [new("r", 2, 21)]);
        await ActiveAsync();
        (await ClaimAsync(Claim(1, 25))).ShouldBeOfType<ClaimAnswer.Granted>();
        (await ClaimAsync(Waiting(2, 9))).ShouldBeOfType<ClaimAnswer.InLine>().ShouldBe(new(1, 4, 30));
        var budget = await BudgetAsync();
        (budget.Limit, budget.ReservedForSuperusers, budget.Ceiling, budget.Foreign, budget.Capacity, budget.Granted, budget.Waiting).ShouldBe((100, 3, 60, 7, 30, 26, 1));
        budget.Roles.ShouldBe([new("r", 2, 26, 2, 21)]);
        (budget.Now - budget.SampledAt!.Value).ShouldBeInRange(TimeSpan.Zero, TimeSpan.FromSeconds(20));
    });

    [Fact]
    public async Task L2_A_count_is_as_old_as_what_it_counted()
    {
        await CountedAsync(10);
        var known = await BudgetAsync();
        await SampleAsync(30, known.Now - TimeSpan.FromMinutes(6));
        (await BudgetAsync()).Capacity.ShouldBe(10, "it says what was so before it would be stale");
        await SampleAsync(30, known.SampledAt!.Value - TimeSpan.FromMilliseconds(1));
        (await BudgetAsync()).Capacity.ShouldBe(10, "a later one is known");
        await SampleAsync(30, known.Now);
        var counted = await BudgetAsync();
        (counted.Capacity, counted.SampledAt).ShouldBe((30, known.Now));

        async Task SampleAsync(int capacity, DateTimeOffset at) =>
            await Ledger.Budgets.SampleAsync(database, capacity, 200, 3, capacity, 0, TimeSpan.FromMinutes(5), Cancellation, grantedAt: at);
    }

    [Fact]
    public async Task L2_What_a_holder_had_that_ended_without_a_word_is_not_granted_again_before_a_count_that_began_later()
    {
        await CountedAsync(10);
        await ActiveAsync();
        var before = (await BudgetAsync()).Now;
        foreach (var (pod, connections) in new[] { (1, 4), (3, 2) })
        {
            (await ClaimAsync(Claim(pod, connections) with { Role = Terms with { HolderTtl = TimeSpan.FromMilliseconds(50) } })).ShouldBeOfType<ClaimAnswer.Granted>();
            await Eventually.HoldsAsync(async () => (await BudgetAsync()).Granted == 1, "the holder has ended", Cancellation);
        }

        var ended = await BudgetAsync();
        (ended.Foreign, ended.Capacity, ended.Free).ShouldBe((6, 4, 3));
        (await ClaimAsync(Claim(2, 4))).ShouldBeOfType<ClaimAnswer.Exhausted>().Free.ShouldBe(3);
        for (var count = 0; count < 2; count++)
        {
            await Ledger.Budgets.SampleAsync(database, 10, 200, 3, 10, 0, TimeSpan.FromMinutes(5), Cancellation, grantedAt: before);
            (await ClaimAsync(Claim(2, 4))).ShouldBeOfType<ClaimAnswer.Exhausted>("that count still took them for its own").Free.ShouldBe(3);
        }

        await Ledger.Budgets.SampleAsync(database, 10, 200, 3, 10, 0, TimeSpan.FromMinutes(5), Cancellation, grantedAt: ended.Now + TimeSpan.FromMilliseconds(1));
        (await ClaimAsync(Claim(2, 4) with { Role = Terms with { HolderTtl = TimeSpan.FromMilliseconds(50) } })).ShouldBeOfType<ClaimAnswer.Granted>();
        await Eventually.HoldsAsync(async () => (await BudgetAsync()).Granted == 1, "the holder has ended", Cancellation);
        await CountedAsync(10);
        (await BudgetAsync()).Free.ShouldBe(9, "a count of now has seen what is open");
    }

    [Fact]
    public async Task A_caller_that_gives_up_waiting_keeps_what_it_holds_and_loses_what_was_only_reserved()
    {
        await CountedAsync(100);
        (await ClaimAsync(Claim(0, 3))).ShouldBeOfType<ClaimAnswer.Issue>();
        await Ledger.Claims.AbandonAsync(database, Id(0), Cancellation);
        (await BudgetAsync()).Granted.ShouldBe(0);
        await IssueAsync((await ClaimAsync(Claim(1, 3) with { Pool = "q" })).ShouldBeOfType<ClaimAnswer.Issue>());
        (await ClaimAsync(Claim(1, 3) with { Pool = "q" })).ShouldBeOfType<ClaimAnswer.Granted>();
        await Ledger.Claims.AbandonAsync(database, Id(1), Cancellation);
        (await BudgetAsync()).Granted.ShouldBe(3);
    }

    [Fact]
    public async Task A_cap_is_changed_by_one_at_a_time_and_never_to_less_than_the_holders_have()
    {
        await CountedAsync(10);
        var order = await ActiveAsync();
        (await ClaimAsync(Claim(1, 4))).ShouldBeOfType<ClaimAnswer.Granted>().CapLeaves.ShouldBeNull();
        (await TakeAsync("a")).ShouldBe(new CapTurn.Taken(5, null, false, "user-" + order.Lease, 5, 0, false, false));
        (await TakeAsync("b")).ShouldBeOfType<CapTurn.Busy>();
        (await Ledger.Caps.LowerCapAsync(database, order.Lease, "b", 7, Cancellation)).ShouldBeNull();
        (await Ledger.Caps.LowerCapAsync(database, order.Lease, "a", 2, Cancellation)).ShouldBe(5);
        (await Ledger.Caps.LowerCapAsync(database, order.Lease, "a", 7, Cancellation)).ShouldBe(7);
        (await ClaimAsync(Claim(1, 4))).ShouldBeOfType<ClaimAnswer.Granted>().CapLeaves.ShouldBe(2);
        (await Ledger.Caps.CappedAsync(database, order.Lease, "b", null, Cancellation)).ShouldBe(false, "b has no right to say anything");
        (await CapAsync()).Cap.ShouldBe(7);
        (await CapAsync()).CappedAt.ShouldBeNull();
        (await Ledger.Caps.CappedAsync(database, order.Lease, "a", 6, Cancellation)).ShouldBe(true);
        (await CapAsync()).Cap.ShouldBe(6);
        (await CapAsync()).CappedAt.ShouldNotBeNull();
        (await TakeAsync("b")).ShouldBe(new CapTurn.Taken(5, 6, true, "user-" + order.Lease, 5, 0, false, false));
        await Ledger.Caps.CappedAsync(database, order.Lease, "b", null, Cancellation);
        (await CapAsync()).Cap.ShouldBe(6, "the database was told nothing");
        (await TakeAsync("c")).ShouldBeOfType<CapTurn.Taken>();
        (await Ledger.Caps.CappedAsync(database, order.Lease, "a", 9, Cancellation)).ShouldBe(false, "a told the database when its turn was over");
        (await CapAsync()).Cap.ShouldBeNull("nobody knows what it was told last");
        (await TakeAsync("d")).ShouldBeOfType<CapTurn.Busy>("what c sent may still be on its way");
        (await Ledger.Caps.LowerCapAsync(database, order.Lease, "c", 7, Cancellation)).ShouldBeNull();
        (await Ledger.Caps.CappedAsync(database, order.Lease, "a", 9, Cancellation)).ShouldBe(false);
        (await TakeAsync("d")).ShouldBeOfType<CapTurn.Busy>();
        (await Ledger.Caps.CappedAsync(database, order.Lease, "c", 8, Cancellation)).ShouldBe(false, "a may have told it later");
        (await CapAsync()).Cap.ShouldBeNull();
        (await TakeAsync("d")).ShouldBeOfType<CapTurn.Taken>();
        (await Ledger.Caps.CappedAsync(database, order.Lease, "c", 8, Cancellation)).ShouldBe(false);
        (await Ledger.Caps.CappedAsync(database, order.Lease, "d", null, Cancellation)).ShouldBe(false, "who told nothing gives the turn back as well");
        (await TakeAsync("c")).ShouldBeOfType<CapTurn.Taken>();
        (await Ledger.Caps.CappedAsync(database, order.Lease, "c", -1, Cancellation)).ShouldBe(true);
        (await CapAsync()).Cap.ShouldBeNull();
        await MoveAsync(order.Lease, LeaseState.Retiring);
        (await TakeAsync("d")).ShouldBeOfType<CapTurn.Taken>();
        await MoveAsync(order.Lease, LeaseState.Revoking);
        (await TakeAsync("d")).ShouldBeOfType<CapTurn.Gone>();
        (await Ledger.Caps.CappedAsync(database, order.Lease, "d", 9, Cancellation)).ShouldBeNull("it is over");

        ValueTask<CapTurn> TakeAsync(string token) => Ledger.Caps.TakeCapAsync(database, order.Lease, token, TimeSpan.FromMinutes(1), Cancellation);

        async Task<LeaseRecord> CapAsync() => (await Ledger.Leases.LeaseAsync(database, order.Lease, Cancellation))!;
    }

    [Fact]
    public async Task Leftovers_are_those_found_last_and_keep_when_they_were_seen_first()
    {
        await Ledger.Leftovers.ReplaceLeftoversAsync(database, [("a", "fact"), ("b", "one|two")], Cancellation);
        var first = (await Ledger.Leftovers.LeftoversAsync(database, Cancellation)).Single(user => user.Username == "b");
        first.Facts.ShouldBe("one|two");
        await Eventually.HoldsAsync(async () => (await BudgetAsync()).Now > first.FirstSeenAt, "time passes", Cancellation);
        await Ledger.Leftovers.ReplaceLeftoversAsync(database, [("b", "three"), ("c", "")], Cancellation);
        var found = (await Ledger.Leftovers.LeftoversAsync(database, Cancellation)).OrderBy(user => user.Username, StringComparer.Ordinal).ToArray();
        found.Select(user => (user.Username, user.Facts)).ShouldBe([("b", "three"), ("c", "")]);
        found[0].FirstSeenAt.ShouldBe(first.FirstSeenAt);
        found[1].FirstSeenAt.ShouldBeGreaterThan(first.FirstSeenAt);
    }
}
