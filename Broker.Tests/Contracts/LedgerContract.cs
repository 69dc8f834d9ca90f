using System.Diagnostics;
using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Contracts;

/// <summary>What every ledger store must do: the decisions, on a database of each test's own.</summary>
public abstract partial class LedgerContract
{
    private static readonly PaceSettings Fast = new() { UsersPerSecond = 1000, Burst = 1000, InFlight = 100 };

    // The shortest that the ledger waits for a sign of life is three seconds: for that of who is in line.
    private static readonly TimeSpan ShortestSilence = TimeSpan.FromSeconds(2);

    private string database = NewDatabase();

    /// <summary>The store under test.</summary>
    protected abstract ILedgerStore Store { get; }

    private SharedLedger Ledger => new(Store);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static string NewDatabase() => "t" + Guid.NewGuid().ToString("N")[..12];

    /// <summary>
    /// Steps between which a real ledger's clock must not go on for long. A machine that stood still meanwhile has shown nothing: when steps
    /// fail that took as long as a stall, they are taken again on another database.
    /// </summary>
    /// <param name="steps">The steps.</param>
    /// <param name="stall">The shortest delay that changes their outcome; null: of who must give a sign of life.</param>
    private async Task WithoutStallAsync(Func<Task> steps, TimeSpan? stall = null)
    {
        for (var again = 0; ; again++)
        {
            var from = Stopwatch.GetTimestamp();
            try
            {
                await steps();
                return;
            }
            catch (Exception e) when (e is ShouldAssertException or NullReferenceException or InvalidOperationException && again < 30 && Stopwatch.GetElapsedTime(from) >= (stall ?? ShortestSilence))
            {
                database = NewDatabase();
            }
        }
    }

    [Fact]
    public Task L1_Of_many_claims_on_an_empty_pool_exactly_one_is_told_to_issue() => WithoutStallAsync(async () =>
    {
        await CountedAsync(500);
        var answers = await Task.WhenAll(Enumerable.Range(0, 100).Select(pod => ClaimAsync(Claim(pod, 1))));
        answers.OfType<ClaimAnswer.Issue>().Count().ShouldBe(1);
        answers.OfType<ClaimAnswer.Wait>().Count().ShouldBe(99);
    });

    [Fact]
    public async Task L1_A_late_writer_with_an_old_fencing_number_changes_nothing()
    {
        await CountedAsync(100);
        var order = (await ClaimAsync(Claim(0, 1))).ShouldBeOfType<ClaimAnswer.Issue>();
        await IssueAsync(order);
        (await ActivateAsync(order with { Fence = order.Fence + 1 })).ShouldBeFalse();
        (await Ledger.Issues.IssuedAsync(database, order.Lease, order.Fence - 1, "ref2", "other", "sealed2", TimeSpan.FromHours(1), DateTimeOffset.UnixEpoch, true, Cancellation))
            .ShouldBeFalse();
        (await Ledger.Issues.BeatAsync(database, order.Lease, order.Fence, Cancellation)).ShouldBeFalse("the lease is active, nobody is issuing it");
        (await ClaimAsync(Claim(0, 1))).ShouldBeOfType<ClaimAnswer.Granted>().Lease.ShouldBe(order.Lease);
    }

    [Fact]
    public async Task A_caller_that_waited_is_granted_the_lease_once_it_is_active()
    {
        await CountedAsync(100);
        var order = await ActiveAsync();
        foreach (var pod in Enumerable.Range(0, 5))
            (await ClaimAsync(Claim(pod, 2))).ShouldBeOfType<ClaimAnswer.Granted>().ShouldSatisfyAllConditions(
                granted => granted.Lease.ShouldBe(order.Lease),
                granted => granted.Connections.ShouldBe(pod == 0 ? 1 : 2));
        var lease = (await Ledger.Leases.LeaseAsync(database, order.Lease, Cancellation))!;
        (lease.State, lease.Holders, lease.Connections).ShouldBe((LeaseState.Active, 5, 9));
    }

    [Fact]
    public async Task L2_Claims_together_never_get_more_than_the_capacity()
    {
        await CountedAsync(37);
        await ActiveAsync();
        var answers = await Task.WhenAll(Enumerable.Range(1, 60).Select(pod => ClaimAsync(Claim(pod, 1 + pod % 3))));
        var granted = answers.OfType<ClaimAnswer.Granted>().Sum(answer => answer.Connections);
        granted.ShouldBeLessThanOrEqualTo(36);
        granted.ShouldBeGreaterThan(33, "no more than one claim's worth may stay unused");
        var short_ = answers.OfType<ClaimAnswer.Exhausted>().ToArray();
        short_.ShouldNotBeEmpty();
        short_[0].Capacity.ShouldBe(37);
        (await BudgetAsync()).Granted.ShouldBe(granted + 1);
    }

    [Fact]
    public async Task L2_A_smaller_capacity_stops_grants_but_takes_nothing_away()
    {
        await CountedAsync(10);
        await ActiveAsync();
        (await ClaimAsync(Claim(1, 9))).ShouldBeOfType<ClaimAnswer.Granted>();
        await CountedAsync(4);
        (await BudgetAsync()).Free.ShouldBe(0);
        (await ClaimAsync(Claim(2, 1))).ShouldBeOfType<ClaimAnswer.Exhausted>();
        (await ClaimAsync(Claim(1, 9))).ShouldBeOfType<ClaimAnswer.Granted>().Connections.ShouldBe(9);
    }

    [Fact]
    public async Task L11_Asking_again_gets_the_same_and_reserves_nothing_more()
    {
        await CountedAsync(100);
        await ActiveAsync();
        var first = (await ClaimAsync(Claim(7, 3))).ShouldBeOfType<ClaimAnswer.Granted>();
        var again = (await ClaimAsync(Claim(7, 8))).ShouldBeOfType<ClaimAnswer.Granted>();
        (again.Lease, again.Connections, again.EndsAt).ShouldBe((first.Lease, 3, first.EndsAt));
        (await BudgetAsync()).Granted.ShouldBe(4);
        var both = await Ledger.Claims.ClaimAsync(database, Fast, 10, [Claim(8, 2), Claim(8, 2)], Cancellation);
        both.OfType<ClaimAnswer.Granted>().Count().ShouldBe(2);
        (await BudgetAsync()).Granted.ShouldBe(6);
    }

    [Fact]
    public Task L7_Claims_that_share_a_round_trip_each_get_what_they_asked_for_and_from_their_own_pool() => WithoutStallAsync(async () =>
    {
        await CountedAsync(20);
        var active = await ActiveAsync();
        var paced = new PaceSettings { UsersPerSecond = 0.1, Burst = 1, InFlight = 10 };
        await Ledger.Claims.ClaimAsync(database, paced, 10, [Claim(99, 1) with { Pool = "r|first" }], Cancellation);
        var claims = new Claim[]
        {
            // Each differs from the one before it in nothing but one thing, and whose it is.
            Claim(1, 2),
            Claim(2, 2) with { Role = Terms with { HolderTtl = TimeSpan.FromMinutes(5) } },
            Claim(3, 2),
            Claim(4, 2) with { Want = 3 },
            Claim(5, 30),
            Claim(6, 30) with { Least = 1 },
            Claim(7, 1),
            Waiting(8, 1),
            Waiting(9, 1) with { Kind = ClaimKind.Renew },
        };
        var answers = await Ledger.Claims.ClaimAsync(database, paced, 10, claims, Cancellation);
        answers.Select(answer => answer is ClaimAnswer.Granted granted ? $"{granted.Connections} for {granted.EndsIn.TotalMinutes:0}" : answer.GetType().Name).ShouldBe(
            ["2 for 30", "2 for 5", "2 for 30", "3 for 30", "Exhausted", "9 for 30", "Exhausted", "InLine", "Unknown"]);
        answers.OfType<ClaimAnswer.Granted>().ShouldAllBe(granted => granted.Lease == active.Lease);

        await Ledger.Holders.ReleaseAsync(database, Id(6), Cancellation);
        await Ledger.Claims.AbandonAsync(database, Id(8), Cancellation);
        var pools = await Ledger.Claims.ClaimAsync(
            database, paced, 10,
            [Claim(11, 1) with { IssueWait = TimeSpan.Zero }, Claim(12, 1) with { Pool = "r|other", IssueWait = TimeSpan.Zero }, Claim(13, 1) with { Pool = "r|other" }],
            Cancellation);
        pools.Select(answer => answer.GetType().Name).ShouldBe(["Granted", "Throttled", "Issue"], "whose pool has no lease is not given another's");
    });

    [Fact]
    public async Task Release_frees_at_once_and_a_second_release_finds_nothing()
    {
        await CountedAsync(5);
        await ActiveAsync();
        (await ClaimAsync(Claim(1, 4))).ShouldBeOfType<ClaimAnswer.Granted>();
        (await ClaimAsync(Claim(2, 4))).ShouldBeOfType<ClaimAnswer.Exhausted>();
        (await Ledger.Holders.ReleaseAsync(database, Id(1), Cancellation)).Had!.Connections.ShouldBe(4);
        (await Ledger.Holders.ReleaseAsync(database, Id(1), Cancellation)).Had.ShouldBeNull();
        (await ClaimAsync(Claim(2, 4))).ShouldBeOfType<ClaimAnswer.Granted>();
    }

    [Fact]
    public Task The_line_serves_first_come_first_and_a_small_later_claim_does_not_overtake_a_large_earlier_one() => WithoutStallAsync(async () =>
    {
        await CountedAsync(10);
        await ActiveAsync();
        (await ClaimAsync(Claim(1, 7))).ShouldBeOfType<ClaimAnswer.Granted>();
        (await ClaimAsync(Waiting(2, 5))).ShouldBeOfType<ClaimAnswer.InLine>().Place.ShouldBe(1);
        (await ClaimAsync(Waiting(3, 1))).ShouldBeOfType<ClaimAnswer.InLine>().Place.ShouldBe(2);
        (await ClaimAsync(Claim(4, 1))).ShouldBeOfType<ClaimAnswer.Exhausted>().CouldAskFor.ShouldBe(0);
        await Ledger.Holders.ReleaseAsync(database, Id(1), Cancellation);
        (await ClaimAsync(Waiting(3, 1))).ShouldBeOfType<ClaimAnswer.Granted>();
        (await ClaimAsync(Waiting(2, 5))).ShouldBeOfType<ClaimAnswer.Granted>().Connections.ShouldBe(5);
    });

    [Fact]
    public Task A_waiter_that_left_does_not_block_those_behind_it() => WithoutStallAsync(async () =>
    {
        await CountedAsync(5);
        await ActiveAsync();
        (await ClaimAsync(Claim(1, 3))).ShouldBeOfType<ClaimAnswer.Granted>();
        (await ClaimAsync(Waiting(2, 4))).ShouldBeOfType<ClaimAnswer.InLine>();
        (await ClaimAsync(Waiting(3, 1))).ShouldBeOfType<ClaimAnswer.InLine>();
        await Ledger.Claims.AbandonAsync(database, Id(2), Cancellation);
        (await ClaimAsync(Waiting(3, 1))).ShouldBeOfType<ClaimAnswer.Granted>();
    });

    [Fact]
    public Task The_line_is_bounded() => WithoutStallAsync(async () =>
    {
        await CountedAsync(1);
        await ActiveAsync();
        var answers = new List<ClaimAnswer>();
        foreach (var pod in Enumerable.Range(1, 4))
            answers.AddRange(await Ledger.Claims.ClaimAsync(database, Fast, 3, [Waiting(pod, 1)], Cancellation));
        answers.OfType<ClaimAnswer.InLine>().Count().ShouldBe(3);
        answers[3].ShouldBeOfType<ClaimAnswer.LineFull>();
    });

    [Fact]
    public Task A_claim_that_no_release_can_ever_serve_does_not_join_the_line() => WithoutStallAsync(async () =>
    {
        await CountedAsync(4);
        (await ClaimAsync(Waiting(0, 5))).ShouldBeOfType<ClaimAnswer.Exhausted>().NextEndIn.ShouldBeNull("nobody has anything that could end");
        await ActiveAsync();
        (await ClaimAsync(Waiting(1, 5))).ShouldBeOfType<ClaimAnswer.Exhausted>().Capacity.ShouldBe(4);
    });

    [Fact]
    public Task L10_A_caller_that_waits_for_what_others_have_open_is_in_line_and_holds_up_nobody() => WithoutStallAsync(async () =>
    {
        await CountedAsync(10);
        await ActiveAsync();
        await WithForeignAsync(6);
        (await ClaimAsync(Waiting(1, 11))).ShouldBeOfType<ClaimAnswer.Exhausted>("more than there is when others have none").Ceiling.ShouldBe(10);
        (await ClaimAsync(Claim(1, 5))).ShouldBeOfType<ClaimAnswer.Exhausted>("it does not wait").ShouldSatisfyAllConditions(
            exhausted => (exhausted.Free, exhausted.CouldAskFor, exhausted.Capacity, exhausted.Ceiling).ShouldBe((3, 3, 4, 10)));
        (await ClaimAsync(Waiting(1, 5))).ShouldBeOfType<ClaimAnswer.InLine>().Place.ShouldBe(1);
        (await ClaimAsync(Waiting(2, 1))).ShouldBeOfType<ClaimAnswer.Granted>("it came later, and holders could not serve the first");
        (await ClaimAsync(Claim(3, 1))).ShouldBeOfType<ClaimAnswer.Granted>();
        (await ClaimAsync(Claim(4, 2))).ShouldBeOfType<ClaimAnswer.Exhausted>().CouldAskFor.ShouldBe(1);
        (await ClaimAsync(Waiting(4, 2))).ShouldBeOfType<ClaimAnswer.InLine>().Place.ShouldBe(2);
        (await ClaimAsync(Claim(5, 1))).ShouldBeOfType<ClaimAnswer.Exhausted>("pod 4 waits for what holders have").CouldAskFor.ShouldBe(0);

        await WithForeignAsync(1);
        (await ClaimAsync(Waiting(1, 5))).ShouldBeOfType<ClaimAnswer.Granted>("others closed theirs, and it came first").Connections.ShouldBe(5);
        (await ClaimAsync(Waiting(4, 2))).ShouldBeOfType<ClaimAnswer.InLine>().Place.ShouldBe(1);
        (await BudgetAsync()).ShouldSatisfyAllConditions(budget => budget.Granted.ShouldBe(8), budget => budget.Waiting.ShouldBe(1));

        Task WithForeignAsync(int foreign) =>
            Ledger.Budgets.SampleAsync(database, 10 - foreign, 200, 3, 10, foreign, TimeSpan.FromMinutes(5), Cancellation).AsTask();
    });

    [Fact]
    public Task L10_A_line_of_many_who_wait_for_what_others_have_open_is_walked_no_further_than_twenty() => WithoutStallAsync(async () =>
    {
        await CountedAsync(10);
        await ActiveAsync();
        await Ledger.Budgets.SampleAsync(database, 4, 200, 3, 10, 6, TimeSpan.FromMinutes(5), Cancellation);
        foreach (var pod in Enumerable.Range(1, 19)) (await ClaimAsync(Waiting(pod, 5))).ShouldBeOfType<ClaimAnswer.InLine>();
        (await ClaimAsync(Waiting(50, 1))).ShouldBeOfType<ClaimAnswer.Granted>();
        (await ClaimAsync(Waiting(20, 5))).ShouldBeOfType<ClaimAnswer.InLine>().Place.ShouldBe(20);
        (await ClaimAsync(Waiting(51, 1))).ShouldBeOfType<ClaimAnswer.InLine>("nobody overtakes those whom nobody looks at").Place.ShouldBe(21);
        (await ClaimAsync(Claim(52, 1))).ShouldBeOfType<ClaimAnswer.Exhausted>().CouldAskFor.ShouldBe(0);
        await Ledger.Claims.AbandonAsync(database, Id(7), Cancellation);
        (await ClaimAsync(Waiting(51, 1))).ShouldBeOfType<ClaimAnswer.Granted>();
    });

    [Fact]
    public Task Early_holders_leave_room_for_those_that_are_expected() => WithoutStallAsync(async () =>
    {
        await CountedAsync(130);
        var role = Terms with { Seats = 125 };
        await ActiveAsync(role);
        var answers = new List<ClaimAnswer>();
        foreach (var pod in Enumerable.Range(1, 99)) answers.Add(await ClaimAsync(Claim(pod, 5) with { Least = 1, Role = role }));
        answers.OfType<ClaimAnswer.Granted>().Count().ShouldBe(99);
        (await BudgetAsync()).Free.ShouldBeGreaterThanOrEqualTo(25, "a surge of a quarter has room");
    });

    [Fact]
    public async Task A_full_lease_takes_no_more_holders_and_the_pool_gets_another()
    {
        await CountedAsync(100);
        var role = Terms with { MaxHolders = 2 };
        var first = await ActiveAsync(role);
        (await ClaimAsync(Claim(1, 1) with { Role = role })).ShouldBeOfType<ClaimAnswer.Granted>().Lease.ShouldBe(first.Lease);
        (await ClaimAsync(Claim(2, 1) with { Role = role })).ShouldBeOfType<ClaimAnswer.Issue>().Lease.ShouldNotBe(first.Lease);
        (await ClaimAsync(Claim(1, 1) with { Role = role })).ShouldBeOfType<ClaimAnswer.Granted>().Lease.ShouldBe(first.Lease);
    }

    [Fact]
    public Task L12_After_a_failure_the_pool_pauses_and_who_waited_is_told_why() => WithoutStallAsync(async () =>
    {
        await CountedAsync(100);
        var order = (await ClaimAsync(Claim(0, 1))).ShouldBeOfType<ClaimAnswer.Issue>();
        (await ClaimAsync(Claim(1, 1))).ShouldBeOfType<ClaimAnswer.Wait>();
        await Ledger.Issues.BeginAsync(database, order.Lease, order.Fence, null, Fast, Cancellation);
        await Ledger.Issues.FailAsync(database, order.Lease, order.Fence, false, "IssuerUnavailable: sealed", TimeSpan.FromSeconds(5), Cancellation);
        var failed = (await ClaimAsync(Claim(1, 1))).ShouldBeOfType<ClaimAnswer.Failed>();
        failed.Why.ShouldContain("sealed");
        failed.RetryIn.ShouldBeInRange(TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(5));
        (await Ledger.Leases.LeaseAsync(database, order.Lease, Cancellation))!.State.ShouldBe(LeaseState.Failed);
    });

    [Fact]
    public Task Users_are_created_at_the_databases_pace_and_a_throttled_caller_is_told_its_own_moment() => WithoutStallAsync(
        async () =>
        {
            await CountedAsync(100);
            var slow = new PaceSettings { UsersPerSecond = 2, Burst = 2, InFlight = 10 };
            var answers = new List<ClaimAnswer>();
            var from = (await BudgetAsync()).Now;
            foreach (var pod in Enumerable.Range(0, 6))
            {
                var claim = Claim(pod, 1) with { Pool = "r|" + pod, IssueWait = TimeSpan.Zero };
                answers.AddRange(await Ledger.Claims.ClaimAsync(database, slow, 10, [claim], Cancellation));
            }

            // By the ledger's own clock.
            var passed = ((await BudgetAsync()).Now - from).TotalMilliseconds;
            answers.OfType<ClaimAnswer.Issue>().Count().ShouldBe(2, "the burst");
            var waits = answers.OfType<ClaimAnswer.Throttled>().Select(answer => answer.StartsIn.TotalMilliseconds).ToArray();
            waits.Length.ShouldBe(4);
            for (var i = 0; i < waits.Length; i++) waits[i].ShouldBeInRange(500 * (i + 1) - passed, 500 * (i + 1));
            (await BudgetAsync()).Granted.ShouldBe(2, "who is only told when to come back reserves nothing");
            (await Ledger.Duties.DutiesAsync(database, 20, Cancellation)).Count(duty => duty.Name.StartsWith("reap:", StringComparison.Ordinal)).ShouldBe(6, "a moment that nobody comes back for is given up");

            // Asking again early does not lose the turn, nor does it take another.
            var again = await Ledger.Claims.ClaimAsync(database, slow, 10, [Claim(5, 1) with { Pool = "r|5", IssueWait = TimeSpan.Zero }], Cancellation);
            again[0].ShouldBeOfType<ClaimAnswer.Throttled>().StartsIn.TotalMilliseconds.ShouldBeLessThanOrEqualTo(waits[3]);
        },
        stall: TimeSpan.FromMilliseconds(400));

    [Fact]
    public async Task Issue_renew_and_revoke_run_a_few_at_a_time()
    {
        var two = new PaceSettings { InFlight = 2 };
        (await Ledger.Flights.TakeFlightAsync(database, "a", two, TimeSpan.FromMinutes(1), Cancellation)).ShouldBeTrue();
        (await Ledger.Flights.TakeFlightAsync(database, "b", two, TimeSpan.FromMinutes(1), Cancellation)).ShouldBeTrue();
        (await Ledger.Flights.TakeFlightAsync(database, "c", two, TimeSpan.FromMinutes(1), Cancellation)).ShouldBeFalse();
        await Ledger.Flights.LandAsync(database, "a", Cancellation);
        (await Ledger.Flights.TakeFlightAsync(database, "c", two, TimeSpan.FromMinutes(1), Cancellation)).ShouldBeTrue();
    }

    [Fact]
    public Task L10_Attempts_that_wait_for_their_turn_to_begin_do_not_keep_each_other_from_it() => WithoutStallAsync(async () =>
    {
        await CountedAsync(100);
        var one = Fast with { InFlight = 1 };
        var orders = new List<ClaimAnswer.Issue>();
        foreach (var pod in Enumerable.Range(0, 3))
            orders.Add((await ClaimAsync(Claim(pod, 1) with { Pool = "r|" + pod })).ShouldBeOfType<ClaimAnswer.Issue>());

        foreach (var order in orders) (await Ledger.Issues.BeatAsync(database, order.Lease, order.Fence, Cancellation)).ShouldBeTrue();

        (await BeginAsync(orders[0])).ShouldBeOfType<BeginAnswer.Go>();
        (await BeginAsync(orders[2])).ShouldNotBeOfType<BeginAnswer.Go>("one at a time, says the pace");
        (await Ledger.Issues.BeatAsync(database, orders[0].Lease, orders[0].Fence, Cancellation)).ShouldBeTrue();
        (await BeginAsync(orders[1])).ShouldNotBeOfType<BeginAnswer.Go>("who has begun is in flight, and stays so while it beats");

        ValueTask<BeginAnswer> BeginAsync(ClaimAnswer.Issue order) => Ledger.Issues.BeginAsync(database, order.Lease, order.Fence, "user", one, Cancellation);
    });

    [Fact]
    public async Task L4_A_renewal_that_rounds_a_little_away_does_not_take_back_an_announced_end()
    {
        await CountedAsync(10);
        var order = await ActiveAsync();
        var announced = (await Ledger.Leases.LeaseAsync(database, order.Lease, Cancellation))!;
        (await Ledger.Leases.RenewedAsync(
            database, order.Lease, announced.ExpiresAt!.Value - announced.ReadAt - TimeSpan.FromSeconds(1), announced.ReadAt, false, TimeSpan.FromMinutes(1), 0.5, Cancellation)).ShouldBeTrue();
        (await Ledger.Leases.LeaseAsync(database, order.Lease, Cancellation))!.ExpiresAt.ShouldBe(announced.ExpiresAt);
        await Ledger.Leases.RenewedAsync(database, order.Lease, TimeSpan.FromMinutes(5), announced.ReadAt, false, TimeSpan.FromMinutes(1), 0.5, Cancellation);
        (await Ledger.Leases.LeaseAsync(database, order.Lease, Cancellation))!.ExpiresAt.ShouldBe(announced.ReadAt + TimeSpan.FromMinutes(5), "what the issuer says it has less than that by far, it has");
    }

    [Fact]
    public async Task Nothing_is_promised_on_connections_that_were_never_counted() =>
        (await ClaimAsync(Claim(0, 1))).ShouldBeOfType<ClaimAnswer.Stale>();

    [Fact]
    public async Task A_holder_moves_to_the_next_lease_when_its_own_is_retiring_and_both_are_counted_for_a_while()
    {
        await CountedAsync(100);
        var old = await ActiveAsync();
        (await ClaimAsync(Claim(1, 5))).ShouldBeOfType<ClaimAnswer.Granted>();
        (await MoveAsync(old.Lease, LeaseState.Retiring)).ShouldBe(MoveAnswer.Moved);
        var renew = Claim(1, 5) with { Kind = ClaimKind.Renew };
        var order = (await ClaimAsync(renew)).ShouldBeOfType<ClaimAnswer.Issue>();
        (await ClaimAsync(renew with { Kind = ClaimKind.Stay })).ShouldBeOfType<ClaimAnswer.Granted>().Lease.ShouldBe(old.Lease);
        await IssueAsync(order);
        var moved = (await ClaimAsync(renew)).ShouldBeOfType<ClaimAnswer.Granted>();
        (moved.Lease, moved.Overlap, moved.Connections).ShouldBe((order.Lease, SharedLedger.Overlap, 5));
        (await BudgetAsync()).Granted.ShouldBe(11, "the new ones, the old ones, and the first holder's");
        var again = (await ClaimAsync(renew)).ShouldBeOfType<ClaimAnswer.Granted>();
        (again.Overlap, again.Beside, again.BesideConnections, again.BesideEndsAt).ShouldBe((null, old.Lease, 5, moved.BesideEndsAt.ShouldNotBeNull()), "whoever is asked next remembers the old ones as well");
    }

    [Fact]
    public async Task A_holder_that_would_pass_the_budget_by_moving_stays_where_it_is()
    {
        await CountedAsync(9);
        var old = await ActiveAsync();
        (await ClaimAsync(Claim(1, 5))).ShouldBeOfType<ClaimAnswer.Granted>();
        await MoveAsync(old.Lease, LeaseState.Retiring);
        await IssueAsync((await ClaimAsync(Claim(2, 1))).ShouldBeOfType<ClaimAnswer.Issue>());
        var stayed = (await ClaimAsync(Claim(1, 5) with { Kind = ClaimKind.Renew })).ShouldBeOfType<ClaimAnswer.Granted>();
        (stayed.Lease, stayed.Overlap, stayed.Leaving).ShouldBe((old.Lease, null, true));
    }

    [Fact]
    public async Task A_renewal_of_no_holder_is_unknown() =>
        (await ClaimAsync(Claim(1, 1) with { Kind = ClaimKind.Renew })).ShouldBeOfType<ClaimAnswer.Unknown>();

    [Fact]
    public async Task Illegal_moves_are_not_made()
    {
        await CountedAsync(10);
        var order = await ActiveAsync();
        (await MoveAsync(order.Lease, LeaseState.Revoked)).ShouldBe(MoveAnswer.NotMoved);
        (await MoveAsync(order.Lease, LeaseState.Issuing)).ShouldBe(MoveAnswer.NotMoved);
        (await MoveAsync(order.Lease, LeaseState.Retiring)).ShouldBe(MoveAnswer.Moved);
        (await MoveAsync(order.Lease, LeaseState.Active)).ShouldBe(MoveAnswer.NotMoved);
        (await MoveAsync(order.Lease, LeaseState.Revoking)).ShouldBe(MoveAnswer.Moved);
        (await MoveAsync(order.Lease, LeaseState.Revoked)).ShouldBe(MoveAnswer.Moved);
        (await MoveAsync("nosuch", LeaseState.Revoked)).ShouldBe(MoveAnswer.Unknown);
        await Ledger.Leases.ForgetAsync(database, order.Lease, Cancellation);
        (await Ledger.Leases.LeaseAsync(database, order.Lease, Cancellation)).ShouldBeNull();
    }

    [Fact]
    public async Task A_duty_is_taken_by_one_at_a_time_and_stands_again_at_its_next_time()
    {
        var taken = await FirstDueAsync();
        taken.Name.ShouldBe("sample");
        (await DueAsync()).ShouldBeEmpty();
        await Ledger.Duties.DoneAsync(database, taken with { Token = "1" }, TimeSpan.Zero, null, Cancellation);
        (await DueAsync()).ShouldBeEmpty("a stale token gives nothing back");
        await Ledger.Duties.DoneAsync(database, taken, TimeSpan.Zero, null, Cancellation);
        (await DueAsync()).ShouldHaveSingleItem();
    }

    [Fact]
    public async Task A_shared_text_is_replaced_only_by_who_knows_it()
    {
        var name = database;
        (await Ledger.Texts.ReadSharedAsync(name, Cancellation)).ShouldBeNull();
        (await Ledger.Texts.ReplaceSharedAsync(name, null, "one|two", Cancellation)).ShouldBeTrue();
        (await Ledger.Texts.ReplaceSharedAsync(name, null, "other", Cancellation)).ShouldBeFalse();
        (await Ledger.Texts.ReplaceSharedAsync(name, "one|two", "three", Cancellation)).ShouldBeTrue();
        (await Ledger.Texts.ReadSharedAsync(name, Cancellation))!.Value.Text.ShouldBe("three");
    }

    [Fact]
    public async Task A_waiting_caller_hears_that_the_lease_is_there()
    {
        var heard = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var listening = Ledger.Listen(database, subject =>
        {
            if (subject == "pool:r") heard.TrySetResult();
        });
        await CountedAsync(10);

        // A subscription is on its way to Redis a moment longer than this call takes: signal until it is heard.
        while (!heard.Task.IsCompleted)
        {
            var order = (await ClaimAsync(Claim(0, 1))).ShouldBeOfType<ClaimAnswer.Issue>();
            await IssueAsync(order);
            await MoveAsync(order.Lease, LeaseState.Retiring);
            await Ledger.Holders.ReleaseAsync(database, Id(0), Cancellation);
            Cancellation.ThrowIfCancellationRequested();
        }
    }

    [Fact]
    public async Task A_session_is_opened_once_for_a_token_lives_as_long_as_it_is_renewed_and_ends_when_it_is_revoked()
    {
        var sessions = await SessionsAsync();
        var hour = TimeSpan.FromHours(1);
        (await sessions.OpenAsync(database, "text|of it", hour, 2 * hour, 1000, "hash-" + database, hour, Cancellation)).ShouldBe((SessionOpening.Open, hour));
        (await sessions.OpenAsync(database + "2", "text", hour, 2 * hour, 1000, "hash-" + database, hour, Cancellation)).Opening.ShouldBe(SessionOpening.TokenUsed);
        (await sessions.ReadAsync(database, Cancellation))!.Value.Text.ShouldBe("text|of it");
        (await sessions.RenewAsync(database, 5 * hour, Cancellation))!.Value.ShouldBeInRange(hour, 2 * hour);
        (await sessions.RevokeAsync(database, Cancellation)).ShouldBeTrue();
        (await sessions.RevokeAsync(database, Cancellation)).ShouldBeFalse();
        (await sessions.ReadAsync(database, Cancellation)).ShouldBeNull();
        (await sessions.RenewAsync(database, hour, Cancellation)).ShouldBeNull();
    }

    [Fact]
    public async Task Every_replica_hears_that_a_session_is_revoked()
    {
        var sessions = await SessionsAsync();
        var heard = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var listening = sessions.Listen(id =>
        {
            if (id == database) heard.TrySetResult();
        });
        // A subscription is on its way to Redis a moment longer than this call takes: revoke until it is heard.
        for (var i = 0; !heard.Task.IsCompleted; i++)
        {
            i.ShouldBeLessThan(10_000, "nobody hears of it");
            await sessions.OpenAsync(database, "text", Hour, Hour, 1000, $"hash-{database}-{i}", TimeSpan.FromMilliseconds(1), Cancellation);
            (await sessions.RevokeAsync(database, Cancellation)).ShouldBeTrue();
        }
    }

    [Fact]
    public async Task A_share_has_room_for_so_many_holders_and_connections_and_gets_back_what_leaves()
    {
        var ledger = await SharesAsync();
        Share[] shares = [new("team-" + database, 2, 10)];
        var minute = TimeSpan.FromMinutes(1);
        (await ledger.TakeAsync(Id(1), 6, 1, minute, within: minute, shares, Cancellation)).ShouldBe((6, null));
        await ledger.SettleAsync(Id(1), 6, minute, shares, Cancellation);
        (await ledger.TakeAsync(Id(1), 6, 1, minute, within: minute, shares, Cancellation)).ShouldBe((6, null), "it is in already");
        await ledger.SettleAsync(Id(1), 6, minute, shares, Cancellation);
        (await ledger.TakeAsync(Id(2), 6, 1, minute, within: minute, shares, Cancellation)).ShouldBe((4, null), "as much as there is room for");
        (await ledger.TakeAsync(Id(3), 1, 1, minute, within: minute, shares, Cancellation)).Full.ShouldNotBeNull().Holders.ShouldBe(2);
        await LeaveAsync(ledger, Id(1), shares);
        (await ledger.TakeAsync(Id(3), 9, 7, minute, within: minute, shares, Cancellation)).Full.ShouldNotBeNull().Connections.ShouldBe(4);
        (await ledger.TakeAsync(Id(3), 9, 6, minute, within: minute, shares, Cancellation)).ShouldBe((6, null));
        await ledger.SettleAsync(Id(3), null, minute, shares, Cancellation);
        (await ledger.TakeAsync(Id(4), 6, 6, minute, within: minute, shares, Cancellation)).ShouldBe((6, null), "who was refused has nothing");

        Share[] few = [new("few-" + database, 2, 0)];
        for (var holder = 5; holder < 7; holder++) (await ledger.TakeAsync(Id(holder), 1, 1, minute, within: minute, few, Cancellation)).ShouldBe((1, null));
        (await ledger.TakeAsync(Id(7), 1, 1, minute, within: minute, few, Cancellation)).Full.ShouldNotBeNull("so many holders, however few connections they have").Holders.ShouldBe(2);
    }

    [Fact]
    public async Task Asks_of_one_holder_that_overlap_count_as_no_less_than_what_it_may_have()
    {
        var ledger = await SharesAsync();
        Share[] shares = [new("caller-" + database, 0, 10)];
        var minute = TimeSpan.FromMinutes(1);
        await ledger.TakeAsync(Id(1), 9, 9, minute, within: minute, shares, Cancellation);
        await ledger.SettleAsync(Id(1), 9, minute, shares, Cancellation);

        // It asks for less: what it has stays counted, while the ask is under way and when it was refused.
        await ledger.TakeAsync(Id(1), 1, 1, minute, within: minute, shares, Cancellation);
        await ShouldHaveAsync(9);
        await ledger.SettleAsync(Id(1), null, minute, shares, Cancellation);
        await ShouldHaveAsync(9);

        // Two at once, of which the first is refused after the second was granted, and the other way round.
        await ledger.TakeAsync(Id(2), 1, 1, minute, within: minute, shares, Cancellation);
        await ledger.TakeAsync(Id(2), 1, 1, minute, within: minute, shares, Cancellation);
        await ledger.SettleAsync(Id(2), 1, minute, shares, Cancellation);
        await ledger.SettleAsync(Id(2), null, minute, shares, Cancellation);
        await ShouldHaveAsync(10);

        // It is released while an ask is under way, or between one's beginning and its end.
        await ledger.TakeAsync(Id(1), 9, 1, minute, within: minute, shares, Cancellation);
        await LeaveAsync(ledger, Id(1), shares);
        await ShouldHaveAsync(10);
        var version = await ledger.VersionAsync(Id(1), shares[0].Name, Cancellation);
        await ledger.SettleAsync(Id(1), 9, minute, shares, Cancellation);
        await ledger.LeaveAsync(Id(1), version, shares, Cancellation);
        await ShouldHaveAsync(10);
        await LeaveAsync(ledger, Id(1), shares);
        await ShouldHaveAsync(1);

        // Two at once that are both granted something: nobody can tell which was the last, and the most of them counts.
        await ledger.TakeAsync(Id(3), 9, 9, minute, within: minute, shares, Cancellation);
        await ledger.TakeAsync(Id(3), 1, 1, minute, within: minute, shares, Cancellation);
        await ledger.SettleAsync(Id(3), 9, minute, shares, Cancellation);
        await ledger.SettleAsync(Id(3), 1, minute, shares, Cancellation);
        await ShouldHaveAsync(10);

        async Task ShouldHaveAsync(int connections) =>
            (await ledger.TakeAsync(Id(9), 10, 10, minute, within: minute, shares, Cancellation)).Full.ShouldNotBeNull().Connections.ShouldBe(connections);
    }

    // A ledger that is new opens no session and gives no part of a share until those who remember some would have said so.
    private async Task<SessionLedger> SessionsAsync()
    {
        var sessions = new SessionLedger(Store);
        await Eventually.HoldsAsync(
            async () => (await sessions.OpenAsync(Guid.NewGuid().ToString("N"), "", Hour, Hour, 1000, Guid.NewGuid().ToString("N"), Hour, Cancellation)).Opening == SessionOpening.Open, "it has settled", Cancellation);
        return sessions;
    }

    private async Task<ShareLedger> SharesAsync()
    {
        var shares = new ShareLedger(Store);
        await Eventually.HoldsAsync(IsSettledAsync, "it has settled", Cancellation);
        return shares;

        async Task<bool> IsSettledAsync()
        {
            try
            {
                return (await shares.TakeAsync(Guid.NewGuid().ToString("N"), 1, 1, Hour, within: Hour, [new("settled", 0, 0)], Cancellation)).Full is null;
            }
            catch (LedgerException e) when (e.Message.Contains("nobody new", StringComparison.Ordinal))
            {
                return false;
            }
        }
    }

    [Fact]
    public async Task A_holder_that_asked_again_keeps_its_part_of_each_share_when_its_release_comes_late()
    {
        var ledger = await SharesAsync();
        Share[] shares = [new("caller-" + database, 0, 10), new("team-" + database, 0, 20)];
        var minute = TimeSpan.FromMinutes(1);
        await ledger.TakeAsync(Id(1), 8, 8, minute, within: minute, shares, Cancellation);
        await ledger.SettleAsync(Id(1), 8, minute, shares, Cancellation);
        var seen = await ledger.VersionAsync(Id(1), shares[0].Name, Cancellation);
        await ledger.TakeAsync(Id(1), 8, 8, minute, within: minute, shares, Cancellation);
        await ledger.SettleAsync(Id(1), 8, minute, shares, Cancellation);

        await ledger.LeaveAsync(Id(1), seen, shares, Cancellation);

        (await ledger.TakeAsync(Id(2), 20, 1, minute, within: minute, [shares[1]], Cancellation)).ShouldBe((12, null), "the team has 8 of 20");
        (await ledger.TakeAsync(Id(3), 10, 1, minute, within: minute, [shares[0]], Cancellation)).ShouldBe((2, null), "and its caller 8 of 10");
        await LeaveAsync(ledger, Id(1), shares);
        (await ledger.TakeAsync(Id(4), 20, 1, minute, within: minute, [shares[1]], Cancellation)).ShouldBe((8, null), "what left is free in both");
    }

    private static async Task LeaveAsync(ShareLedger ledger, string holder, IReadOnlyList<Share> shares) =>
        await ledger.LeaveAsync(holder, await ledger.VersionAsync(holder, shares[0].Name, Cancellation), shares, Cancellation);

    private static RoleTerms Terms { get; } = new("r", 0, TimeSpan.FromMinutes(30), 500, TimeSpan.FromMinutes(10));

    private static string Id(int pod) => $"r.{pod:D28}";

    private static Claim Claim(int pod, int connections) =>
        new(Id(pod), Terms, "r", connections, connections, TimeSpan.FromSeconds(30), TimeSpan.Zero, ClaimKind.Claim, $"orders/pod-{pod}|ä");

    private static Claim Waiting(int pod, int connections) => Claim(pod, connections) with { LineWait = TimeSpan.FromSeconds(30) };

    private async Task<ClaimAnswer> ClaimAsync(Claim claim) => (await Ledger.Claims.ClaimAsync(database, Fast, 100, [claim], Cancellation))[0];

    private Task CountedAsync(int capacity) =>
        Ledger.Budgets.SampleAsync(database, capacity, 200, 3, capacity, 0, TimeSpan.FromMinutes(5), Cancellation).AsTask();

    private ValueTask<BudgetRecord> BudgetAsync() => Ledger.Budgets.BudgetAsync(database, ["r"], Cancellation);

    private async Task<IReadOnlyList<TakenDuty>> DueAsync() =>
        (await Ledger.Duties.DueAsync(database, ["sample"], 10, TimeSpan.FromMinutes(1), Cancellation)).Taken;

    // In a ledger that is new the standing duties wait a moment.
    private async Task<TakenDuty> FirstDueAsync()
    {
        IReadOnlyList<TakenDuty> due;
        while ((due = await DueAsync()).Count == 0) Cancellation.ThrowIfCancellationRequested();
        return due.ShouldHaveSingleItem();
    }

    private ValueTask<MoveAnswer> MoveAsync(string lease, LeaseState to, MoveHow how = MoveHow.Plainly) =>
        Ledger.Leases.MoveAsync(database, lease, to, "a test", Cancellation, how);

    // A pool with an active lease, held by pod 0 with one connection.
    private async Task<ClaimAnswer.Issue> ActiveAsync(RoleTerms? role = null)
    {
        var claim = Claim(0, 1) with { Role = role ?? Terms };
        var order = (await ClaimAsync(claim)).ShouldBeOfType<ClaimAnswer.Issue>();
        await IssueAsync(order);
        (await ClaimAsync(claim)).ShouldBeOfType<ClaimAnswer.Granted>();
        return order;
    }

    private async Task IssueAsync(ClaimAnswer.Issue order)
    {
        var go = (await Ledger.Issues.BeginAsync(database, order.Lease, order.Fence, "user", Fast, Cancellation)).ShouldBeOfType<BeginAnswer.Go>();
        (await Ledger.Issues.IssuedAsync(
            database, order.Lease, order.Fence, "ref", "user-" + order.Lease, "sealed", TimeSpan.FromHours(1), go.Now, true, Cancellation)).ShouldBeTrue();
        (await ActivateAsync(order)).ShouldBeTrue();
    }

    private ValueTask<bool> ActivateAsync(ClaimAnswer.Issue order) =>
        Ledger.Issues.ActivateAsync(database, order.Lease, order.Fence, TimeSpan.FromMinutes(5), 0.5, null, Cancellation);
}
