using Broker.Core.Ledger;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Contracts;

/// <summary>Holders: their ends, their moves, their place in line.</summary>
public abstract partial class LedgerContract
{
    [Fact]
    public Task L4_A_holder_that_is_moved_without_an_overlap_may_not_hear_of_it_and_keeps_its_login_for_as_long_as_it_was_promised() => WithoutStallAsync(async () =>
    {
        await CountedAsync(9);
        var soon = TimeSpan.FromSeconds(50);
        var old = (await ClaimAsync(Claim(1, 5))).ShouldBeOfType<ClaimAnswer.Issue>();
        var go = (await Ledger.Issues.BeginAsync(database, old.Lease, old.Fence, "user", Fast, Cancellation)).ShouldBeOfType<BeginAnswer.Go>();
        await Ledger.Issues.IssuedAsync(database, old.Lease, old.Fence, "ref", "user", "sealed", soon, go.Now, true, Cancellation);
        await ActivateAsync(old);
        (await ClaimAsync(Claim(1, 5))).ShouldBeOfType<ClaimAnswer.Granted>();
        await MoveAsync(old.Lease, LeaseState.Retiring);
        (await ClaimAsync(Claim(1, 5) with { Kind = ClaimKind.Stay })).ShouldBeOfType<ClaimAnswer.Granted>().EndsAt.ShouldBe(go.Now + soon, "nobody stays longer than its lease");
        await IssueAsync((await ClaimAsync(Claim(2, 1))).ShouldBeOfType<ClaimAnswer.Issue>());

        var renew = Claim(1, 5) with { Kind = ClaimKind.Renew };
        (await ClaimAsync(renew)).ShouldBeOfType<ClaimAnswer.Granted>().Overlap.ShouldBe(TimeSpan.Zero, "there is no room for both, and its lease is about to end");
        (await BudgetAsync()).Granted.ShouldBe(6);
        (await Ledger.Leases.LeaseAsync(database, old.Lease, Cancellation))!.Holders.ShouldBe(0);
        (await Ledger.Leases.ExpireAsync(database, old.Lease, TimeSpan.Zero, Cancellation)).ShouldBeOfType<ExpireAnswer.Later>().Wait.ShouldBeInRange(soon - TimeSpan.FromSeconds(20), soon);
    });

    [Fact]
    public Task L2_Pods_that_are_gone_leave_and_what_they_may_have_open_counts_until_it_is_counted_again() => WithoutStallAsync(async () =>
    {
        await CountedAsync(10);
        Claim Of(string pod, int connections, string process = "") => Waiting(1, connections) with { Holder = $"r.{pod.PadLeft(16, '0')}{process}" };
        await IssueAsync((await ClaimAsync(Of("a", 5))).ShouldBeOfType<ClaimAnswer.Issue>());
        (await ClaimAsync(Of("a", 5))).ShouldBeOfType<ClaimAnswer.Granted>();
        (await ClaimAsync(Of("a", 1, "sidecar_of_a"))).ShouldBeOfType<ClaimAnswer.Granted>();
        (await ClaimAsync(Of("b", 4))).ShouldBeOfType<ClaimAnswer.Granted>();
        (await ClaimAsync(Of("c", 4))).ShouldBeOfType<ClaimAnswer.InLine>();
        (await ClaimAsync(Of("d", 4))).ShouldBeOfType<ClaimAnswer.InLine>().Place.ShouldBe(2);

        async Task<IReadOnlyList<EndedHolder>> GoneAsync(params string[] pods)
        {
            var ended = new List<EndedHolder>();
            await foreach (var some in Ledger.Holders.PodsGoneAsync(database, [.. pods.Select(pod => pod.PadLeft(16, '0'))], Cancellation)) ended.AddRange(some.Ended);
            return ended;
        }

        (await GoneAsync("a", "c", "x"))
            .Select(ended => (ended.Holder, ended.Connections)).ShouldBe([(Of("a", 5).Holder, 5), (Of("a", 1, "sidecar_of_a").Holder, 1)], ignoreOrder: true);
        (await BudgetAsync()).Granted.ShouldBe(4);
        (await ClaimAsync(Of("d", 4))).ShouldBeOfType<ClaimAnswer.InLine>().ShouldSatisfyAllConditions(line => line.Place.ShouldBe(1), line => line.Free.ShouldBe(0));
        (await GoneAsync("a")).ShouldBeEmpty();

        await CountedAsync(10);
        (await ClaimAsync(Of("d", 4))).ShouldBeOfType<ClaimAnswer.Granted>();
        (await Ledger.Holders.HoldersAsync(database, null, 100, Cancellation)).Select(holder => holder.Id).ShouldBe([Of("b", 4).Holder, Of("d", 4).Holder], ignoreOrder: true);
    });

    [Fact]
    public Task The_line_shows_who_waits_and_for_how_many_connections() => WithoutStallAsync(async () =>
    {
        await CountedAsync(6);
        await ActiveAsync();
        (await ClaimAsync(Claim(1, 5))).ShouldBeOfType<ClaimAnswer.Granted>();
        (await ClaimAsync(Waiting(2, 3) with { Least = 2, Node = "node-1" })).ShouldBeOfType<ClaimAnswer.InLine>();
        (await ClaimAsync(Waiting(3, 1))).ShouldBeOfType<ClaimAnswer.InLine>();

        var line = await Ledger.Budgets.LineAsync(database, 10, Cancellation);
        line.Select(one => (one.Holder, one.Caller, one.Want, one.Least, one.Node)).ShouldBe([(Claim(2, 3).Holder, Claim(2, 3).Caller, 3, 2, "node-1"), (Claim(3, 1).Holder, Claim(3, 1).Caller, 1, 1, null)]);
        var since = line[0].Since.ShouldNotBeNull();
        since.ShouldBe(line[0].Until - Waiting(2, 3).LineWait, TimeSpan.FromSeconds(1));

        // It asks again as long as it waits; or its request is given up and another one takes its place.
        (await ClaimAsync(Waiting(2, 3) with { Least = 2, Node = "node-1" })).ShouldBeOfType<ClaimAnswer.InLine>();
        await TicketSinceAsync(Claim(2, 3).Holder, since - TimeSpan.FromMinutes(2));
        (await ClaimAsync(Waiting(2, 3) with { Least = 2, Node = "node-1" })).ShouldBeOfType<ClaimAnswer.InLine>();
        (await Ledger.Budgets.LineAsync(database, 1, Cancellation)).ShouldHaveSingleItem().Since.ShouldBe(since - TimeSpan.FromMinutes(2));
        await Ledger.Claims.AbandonAsync(database, Claim(2, 3).Holder, Cancellation);
        (await ClaimAsync(Waiting(2, 3) with { Least = 2, Node = "node-1" })).ShouldBeOfType<ClaimAnswer.InLine>();
        var again = (await Ledger.Budgets.LineAsync(database, 1, Cancellation)).ShouldHaveSingleItem();
        (again.Holder, again.Caller, again.Since).ShouldBe((Claim(2, 3).Holder, Claim(2, 3).Caller, since - TimeSpan.FromMinutes(2)));

        await Ledger.Holders.ReleaseAsync(database, Claim(1, 5).Holder, Cancellation);

        var holder = (await Ledger.Holders.HoldersAsync(database, null, 10, Cancellation)).Single(one => one.Id == Claim(2, 3).Holder);
        (holder.Caller, holder.Node).ShouldBe((Claim(2, 3).Caller, "node-1"));
        holder.Since.ShouldNotBeNull();
        (await Ledger.Budgets.LineAsync(database, 10, Cancellation)).ShouldBeEmpty();
    });

    private Task TicketSinceAsync(string holder, DateTimeOffset since) => TamperAsync(
        LedgerKeys.Of(database)[Array.IndexOf(LedgerKeys.Parts, "tickets")], holder,
        $"3|2|0|{since.ToUnixTimeMilliseconds()}|{(since + TimeSpan.FromMinutes(5)).ToUnixTimeMilliseconds()}|b1r|{since.ToUnixTimeSeconds()}\u001f{Claim(2, 3).Caller}");

    [Fact]
    public async Task Thousands_of_holders_are_read_some_at_a_time_with_all_that_is_known_of_them()
    {
        await CountedAsync(5000);
        var roomy = Terms with { MaxHolders = 5000 };
        var order = await ActiveAsync(roomy);
        var claims = Enumerable.Range(1, 603).Select(pod => Claim(pod, 1) with { Role = roomy, Node = pod % 2 == 0 ? "node-1" : null, Team = pod % 3 == 0 ? "checkout" : null }).ToArray();
        foreach (var some in claims.Chunk(250)) await Ledger.Claims.ClaimAsync(database, Fast, 100, some, Cancellation);

        var holders = await Ledger.Holders.HoldersAsync(database, null, int.MaxValue, Cancellation);

        holders.Select(holder => holder.Id).ShouldBe([Claim(0, 1).Holder, .. claims.Select(claim => claim.Holder)], ignoreOrder: true);
        var budget = await BudgetAsync();
        holders.ShouldAllBe(holder => holder.Lease == order.Lease && budget.Now - holder.Since < TimeSpan.FromMinutes(5));
        foreach (var claim in claims)
        {
            var holder = holders.Single(each => each.Id == claim.Holder);
            (holder.Caller, holder.Node, holder.Team).ShouldBe((claim.Caller, claim.Node, claim.Team));
        }

        (await Ledger.Holders.HoldersAsync(database, "another", int.MaxValue, Cancellation)).ShouldBeEmpty();
        (await Ledger.Holders.HoldersAsync(database, null, 550, Cancellation)).Count.ShouldBe(550);
    }

    [Fact]
    public Task A_holder_that_leaves_while_both_its_logins_connections_are_counted_gives_both_back() => WithoutStallAsync(async () =>
    {
        await CountedAsync(100);
        var old = await ActiveAsync();
        await MoveAsync(old.Lease, LeaseState.Retiring);
        await IssueAsync((await ClaimAsync(Claim(1, 1))).ShouldBeOfType<ClaimAnswer.Issue>());
        (await ClaimAsync(Claim(0, 1) with { Kind = ClaimKind.Renew })).ShouldBeOfType<ClaimAnswer.Granted>().Overlap.ShouldBe(SharedLedger.Overlap);
        (await BudgetAsync()).Granted.ShouldBe(3);
        await Ledger.Holders.ReleaseAsync(database, Id(0), Cancellation);
        var budget = await BudgetAsync();
        budget.Granted.ShouldBe(1);
        (await Ledger.Duties.DutiesAsync(database, 10, Cancellation)).Single(duty => duty.Name == "expire:" + old.Lease).DueAt.ShouldBeLessThanOrEqualTo(budget.Now, "nobody holds it any more");
    });

    [Fact]
    public async Task A_lease_whose_login_works_no_more_is_left_at_once()
    {
        await CountedAsync(100);
        var old = await ActiveAsync();
        (await MoveAsync(old.Lease, LeaseState.Retiring, MoveHow.Broken)).ShouldBe(MoveAnswer.Moved);
        await CountedAsync(1);
        await IssueAsync((await ClaimAsync(Claim(0, 1))).ShouldBeOfType<ClaimAnswer.Issue>());
        var moved = (await ClaimAsync(Claim(0, 1))).ShouldBeOfType<ClaimAnswer.Granted>();
        moved.Lease.ShouldNotBe(old.Lease);
        moved.Overlap.ShouldBe(TimeSpan.Zero);
        (await Ledger.Leases.ExpireAsync(database, old.Lease, Hour, Cancellation)).ShouldBeOfType<ExpireAnswer.Later>("who had it may not have heard that it moved, and has its connections open")
            .Wait.ShouldBeInRange(SharedLedger.Overlap - TimeSpan.FromSeconds(30), SharedLedger.Overlap + TimeSpan.FromMilliseconds(1));
    }

    [Fact]
    public Task A_holder_that_asks_again_in_the_second_half_of_its_time_gets_more_of_it() => WithoutStallAsync(async () =>
    {
        await CountedAsync(100);
        await ActiveAsync();
        var claim = Claim(1, 1) with { Role = Terms with { HolderTtl = TimeSpan.FromSeconds(2) } };
        var first = (await ClaimAsync(claim)).ShouldBeOfType<ClaimAnswer.Granted>();
        var again = first;
        await Eventually.HoldsAsync(async () => (again = (await ClaimAsync(claim)).ShouldBeOfType<ClaimAnswer.Granted>()).EndsAt != first.EndsAt, "its end has moved", Cancellation);
        again.EndsAt.ShouldBeGreaterThan(first.EndsAt + TimeSpan.FromSeconds(0.9));
        (again.EndsAt - again.EndsIn).ShouldBeLessThan(first.EndsAt, "it moves before it comes");
        (await ClaimAsync(claim with { Kind = ClaimKind.Renew })).ShouldBeOfType<ClaimAnswer.Granted>().EndsIn.ShouldBeGreaterThan(TimeSpan.FromSeconds(1.9), "a renewal always does");
    });

    [Fact]
    public async Task A_batch_is_answered_in_the_order_of_its_claims()
    {
        await CountedAsync(100);
        var order = await ActiveAsync();
        await MoveAsync(order.Lease, LeaseState.Retiring);
        var answers = await Ledger.Claims.ClaimAsync(
            database, Fast, 10, [Claim(0, 1) with { Kind = ClaimKind.Stay }, Claim(1, 1) with { Kind = ClaimKind.Renew }, Claim(2, 1), Claim(3, 1), Claim(4, 1) with { Pool = "q" }], Cancellation);
        answers[0].ShouldBeOfType<ClaimAnswer.Granted>().ShouldSatisfyAllConditions(granted => granted.Lease.ShouldBe(order.Lease), granted => granted.Leaving.ShouldBeTrue());
        answers[1].ShouldBeOfType<ClaimAnswer.Unknown>();
        answers[2].ShouldBeOfType<ClaimAnswer.Issue>();
        answers[3].ShouldBeOfType<ClaimAnswer.Wait>().Lease.ShouldBe(((ClaimAnswer.Issue)answers[2]).Lease);
        answers[4].ShouldBeOfType<ClaimAnswer.Issue>().Lease.ShouldNotBe(((ClaimAnswer.Issue)answers[2]).Lease);
    }

    [Fact]
    public Task L10_A_caller_that_left_the_line_holds_up_nobody_and_what_comes_free_is_given_to_the_next_at_once() => WithoutStallAsync(async () =>
    {
        await CountedAsync(5);
        await ActiveAsync();
        (await ClaimAsync(Claim(1, 3))).ShouldBeOfType<ClaimAnswer.Granted>();
        (await ClaimAsync(Claim(2, 4))).ShouldBeOfType<ClaimAnswer.Exhausted>().ShouldSatisfyAllConditions(
            exhausted => (exhausted.Free, exhausted.CouldAskFor).ShouldBe((1, 1)),
            exhausted => exhausted.NextEndIn!.Value.ShouldBeInRange(Terms.HolderTtl - TimeSpan.FromSeconds(20), Terms.HolderTtl));
        (await ClaimAsync(Waiting(2, 4))).ShouldBeOfType<ClaimAnswer.InLine>();
        (await ClaimAsync(Claim(2, 4))).ShouldBeOfType<ClaimAnswer.Exhausted>();
        (await BudgetAsync()).Waiting.ShouldBe(0, "it waits no more");

        (await ClaimAsync(Claim(3, 4) with { LineWait = TimeSpan.FromMilliseconds(30) })).ShouldBeOfType<ClaimAnswer.InLine>();
        await Eventually.HoldsAsync(async () => await ClaimAsync(Waiting(4, 1)) is ClaimAnswer.Granted, "the first in line has waited long enough", Cancellation);
        (await ClaimAsync(Waiting(5, 3))).ShouldBeOfType<ClaimAnswer.InLine>();
        await Ledger.Holders.ReleaseAsync(database, Id(1), Cancellation);
        var budget = await BudgetAsync();
        (budget.Waiting, budget.Granted).ShouldBe((0, 5));
    });

    [Fact]
    public async Task A_lease_whose_last_holder_ended_without_a_word_is_over_and_its_end_is_looked_at_in_time()
    {
        await CountedAsync(10);
        var idle = TimeSpan.FromSeconds(30);
        var order = await ActiveAsync(Terms with { IdleTtl = idle });
        await Ledger.Duties.HurryAsync(database, "expire", order.Lease, Cancellation);
        var looking = (await TakeAsync()).Single(duty => duty.Name == "expire:" + order.Lease);
        await Ledger.Holders.ReleaseAsync(database, Id(0), Cancellation);
        (await EndLookedAtInAsync()).ShouldBeLessThanOrEqualTo(idle);
        await Ledger.Duties.DoneAsync(database, looking, Hour, null, Cancellation);
        (await EndLookedAtInAsync()).ShouldBeLessThanOrEqualTo(idle, "who looked did not know that the last holder would leave");

        (await ClaimAsync(Claim(2, 1))).ShouldBeOfType<ClaimAnswer.Granted>();
        (await ClaimAsync(Claim(1, 1) with { Role = Terms with { HolderTtl = TimeSpan.FromMilliseconds(50) } })).ShouldBeOfType<ClaimAnswer.Granted>();
        await MoveAsync(order.Lease, LeaseState.Retiring);
        await Ledger.Holders.ReleaseAsync(database, Id(2), Cancellation);
        await Eventually.HoldsAsync(async () => await Ledger.Leases.ExpireAsync(database, order.Lease, Hour, Cancellation) is ExpireAnswer.Ended, "nobody holds it", Cancellation);

        async Task<TimeSpan> EndLookedAtInAsync()
        {
            var now = (await BudgetAsync()).Now;
            return (await Ledger.Duties.DutiesAsync(database, 10, Cancellation)).Single(duty => duty.Name == "expire:" + order.Lease).DueAt - now;
        }
    }
}
