using Broker.Core.Leases;
using Broker.Core.Leases.Holders;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Broker.Core.Operators;
using Broker.Tests.Identity;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

public sealed class RotationTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task L4_A_lease_that_can_be_renewed_no_more_is_followed_before_newcomers_would_have_to_wait()
    {
        await using var world = new World(World.OrdersApi with { HolderTtl = TimeSpan.FromHours(2) });
        world.Issuer.Renewable = false;
        var replica = await world.ReplicaAsync();
        var first = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;

        world.Clock.Advance(TimeSpan.FromMinutes(28));
        await world.PassAsync(() => world.Issuer.Made == 2, Minute);
        var old = await world.LeaseAsync(lease => lease.Id == first.Lease.Id && lease.State == LeaseState.Retiring, Minute);
        old.Holders.ShouldBe(1, "who holds it has until its announced end to move");
        old.Reason.ShouldContain("replaced before its end");

        // No renewal, no claim was needed for the next lease; a newcomer gets it without waiting for the issuer.
        var newcomer = (await world.PassAsync(replica.AskAsync(World.Ask(1, wait: TimeSpan.Zero)), Minute)).Grant!;
        newcomer.Lease.Id.ShouldNotBe(first.Lease.Id);
        world.Issuer.Made.ShouldBe(2);
    }

    [Fact]
    public async Task The_old_lease_takes_holders_until_the_next_one_works()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var first = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        var hold = new TaskCompletionSource();
        world.Issuer.Before = () => hold.Task;
        (await replica.Leases.RotateAsync(World.Ask(0).Caller, "orders-api", "a test", World.From, default)).ShouldBeNull();
        await world.PassAsync(() => world.Issuer.Asked.Count == 2, Minute);

        var meanwhile = (await world.PassAsync(replica.AskAsync(World.Ask(1, wait: TimeSpan.Zero)), Minute)).Grant!;
        meanwhile.Lease.Id.ShouldBe(first.Lease.Id);
        hold.SetResult();
        await world.LeaseAsync(lease => lease.Id == first.Lease.Id && lease.State == LeaseState.Retiring, Minute);
        (await world.PassAsync(replica.AskAsync(World.Ask(2, wait: TimeSpan.Zero)), Minute)).Grant!.Lease.Id.ShouldNotBe(first.Lease.Id);
    }

    [Fact]
    public async Task An_operators_rotation_whose_first_issue_fails_is_tried_again_until_it_works()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        world.Issuer.Failure = new(Core.Issuing.IssuerFailure.Unavailable, "sealed");
        (await replica.Leases.RotateAsync(World.Ask(0).Caller, "orders-api", "a test", World.From, default)).ShouldBeNull();
        await world.PassAsync(() => world.Issuer.Asked.Count >= 3, TimeSpan.FromMinutes(2));
        (await world.PassAsync(replica.RenewAsync(grant), Minute)).Grant!.Lease.Id.ShouldBe(grant.Lease.Id);

        world.Issuer.Failure = null;
        await world.LeaseAsync(lease => lease.Id == grant.Lease.Id && lease.State == LeaseState.Retiring, TimeSpan.FromMinutes(3));
        world.Issuer.Made.ShouldBe(2);
    }

    [Fact]
    public async Task L4_A_next_lease_that_cannot_be_issued_leaves_the_old_one_as_it_is_and_shows_why()
    {
        await using var world = new World();
        world.Issuer.Renewable = false;
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        world.Issuer.Failure = new(Core.Issuing.IssuerFailure.Unavailable, "sealed");
        world.Clock.Advance(TimeSpan.FromMinutes(27));

        Duty? failing = null;
        await world.PassAsync(
            () => (failing = replica.Duties.ListAsync(default).AsTask().GetAwaiter().GetResult().FirstOrDefault(duty => duty.Kind == "rotate" && duty.IsFailing)) is not null,
            TimeSpan.FromMinutes(3));
        failing!.Record.Why.ShouldContain("sealed");
        (await world.PassAsync(replica.RenewAsync(grant), Minute)).Grant!.Lease.Id.ShouldBe(grant.Lease.Id);

        world.Issuer.Failure = null;
        await world.PassAsync(() => world.Issuer.Made == 2, TimeSpan.FromMinutes(3));
        await world.PassAsync(
            () => replica.Duties.ListAsync(default).AsTask().GetAwaiter().GetResult().All(duty => duty.Record.Failures == 0), Minute);
    }

    [Fact]
    public async Task L2_Holders_move_in_waves_so_that_old_and_new_connections_never_pass_the_budget()
    {
        await using var world = new World(capacity: 10);
        var replica = await world.ReplicaAsync();
        var grants = new List<Grant>();
        for (var pod = 0; pod < 4; pod++) grants.Add((await world.PassAsync(replica.AskAsync(World.Ask(pod, 2)), Minute)).Grant!);
        await replica.Leases.RotateAsync(World.Ask(0).Caller, "orders-api", "a test", World.From, default);
        await world.LeaseAsync(lease => lease.State == LeaseState.Retiring, Minute);

        // 8 of 10 are granted: one holder can have both open, the others stay until its overlap is over.
        var moved = 0;
        for (var pod = 0; pod < 4; pod++)
        {
            var renewed = (await world.PassAsync(replica.RenewAsync(grants[pod], pod), Minute)).Grant!;
            if (renewed.Overlap > TimeSpan.Zero) moved++;
            else renewed.Holder.RenewAfterSeconds.ShouldBeLessThanOrEqualTo(10, "it is told to come back soon");
            (await world.Ledger.Budgets.BudgetAsync("orders", [], default)).Granted.ShouldBeLessThanOrEqualTo(10);
        }

        moved.ShouldBe(1);
        for (var wave = 2; wave <= 4; wave++)
        {
            // The overlap is over, and the connections have been counted since.
            world.Clock.Advance(SharedLedger.Overlap + TimeSpan.FromSeconds(1));
            var counted = world.Clock.GetUtcNow() + TimeSpan.FromSeconds(5);
            await world.PassAsync(() => world.Clock.GetUtcNow() >= counted, Minute);
            for (var pod = 0; pod < 4; pod++)
            {
                if ((await world.PassAsync(replica.RenewAsync(grants[pod], pod), Minute)).Grant!.Overlap > TimeSpan.Zero) moved++;
                (await world.Ledger.Budgets.BudgetAsync("orders", [], default)).Granted.ShouldBeLessThanOrEqualTo(10);
            }

            moved.ShouldBe(wave);
        }

        await world.PassAsync(() => world.Issuer.Users.Count == 1, TimeSpan.FromMinutes(3));
    }

    [Fact]
    public async Task L2_On_a_full_budget_a_holder_whose_lease_is_about_to_end_closes_its_old_connections_first()
    {
        await using var world = new World(World.OrdersApi with { HolderTtl = TimeSpan.FromHours(2) }, capacity: 4);
        world.Issuer.Renewable = false;
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0, 4)), Minute)).Grant!;
        world.Clock.Advance(TimeSpan.FromMinutes(28));
        await world.LeaseAsync(lease => lease.Id == grant.Lease.Id && lease.State == LeaseState.Retiring, Minute);
        (await world.PassAsync(replica.RenewAsync(grant), Minute)).Grant!.Overlap.ShouldBeNull();

        world.Clock.Advance(grant.Lease.ExpiresAt - world.Clock.GetUtcNow() - TimeSpan.FromSeconds(50));
        var moved = (await world.PassAsync(replica.RenewAsync(grant), Minute)).Grant!;
        (moved.Overlap, moved.Connections).ShouldBe((TimeSpan.Zero, 4));
        (await world.Ledger.Budgets.BudgetAsync("orders", [], default)).Granted.ShouldBe(4);
    }

    [Fact]
    public async Task L11_A_holder_whose_answer_was_lost_is_told_again_to_move_when_it_says_what_it_works_with()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        await replica.Leases.RotateAsync(World.Ask(0).Caller, "orders-api", "a test", World.From, default);
        await world.LeaseAsync(lease => lease.Id == grant.Lease.Id && lease.State == LeaseState.Retiring, Minute);
        (await world.PassAsync(replica.RenewAsync(grant), Minute)).Grant!.Overlap.ShouldNotBeNull("and this answer is lost on its way");

        var again = (await world.PassAsync(replica.Holders.RenewAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default, grant.Lease.Id).AsTask(), Minute)).Grant!;
        (again.Overlap, again.Lease.Id == grant.Lease.Id).ShouldBe((TimeSpan.Zero, false));
        (await world.PassAsync(replica.Holders.RenewAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default, again.Lease.Id).AsTask(), Minute)).Grant!.Overlap.ShouldBeNull();
    }

    [Fact]
    public async Task L11_While_the_ledger_is_away_a_holder_that_moved_is_answered_with_the_lease_it_moved_to()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        await replica.Leases.RotateAsync(World.Ask(0).Caller, "orders-api", "a test", World.From, default);
        await world.LeaseAsync(lease => lease.Id == grant.Lease.Id && lease.State == LeaseState.Retiring, Minute);
        var moved = (await world.PassAsync(replica.RenewAsync(grant), Minute)).Grant!;
        moved.Lease.Id.ShouldNotBe(grant.Lease.Id);

        replica.Link.Cut();
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!.Lease.Id.ShouldBe(moved.Lease.Id);
        (await world.PassAsync(replica.Holders.RenewAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default, moved.Lease.Id).AsTask(), Minute)).Grant!
            .Overlap.ShouldBeNull("it has moved already");
    }

    [Fact]
    public async Task A_role_that_is_kept_ready_has_a_lease_before_anybody_asks_and_keeps_it()
    {
        await using var world = new World(World.OrdersApi with { KeepReady = true, IdleTtl = TimeSpan.FromSeconds(30), MaxHoldersPerLease = 2 });
        var replica = await world.ReplicaAsync();
        await world.ReplicaAsync();
        await world.LeaseAsync(lease => lease.State == LeaseState.Active, Minute);
        world.Clock.Advance(TimeSpan.FromMinutes(5));
        await world.PassAsync(() => world.Issuer.Users.Count == 1, Minute);
        world.Issuer.Made.ShouldBe(1, "it is kept, not made anew");

        world.Issuer.Failure = new(Core.Issuing.IssuerFailure.Unavailable, "down: nobody may need the issuer now");
        (await world.PassAsync(replica.AskAsync(World.Ask(0, wait: TimeSpan.Zero)), Minute)).Grant.ShouldNotBeNull();
        (await world.PassAsync(replica.AskAsync(World.Ask(1, wait: TimeSpan.Zero)), Minute)).Grant.ShouldNotBeNull();
        world.Issuer.Failure = null;

        // That one is full: the next one is issued though nobody asks.
        await world.PassAsync(() => world.Issuer.Users.Count == 2, TimeSpan.FromMinutes(3));
    }

    [Fact]
    public async Task Leases_that_were_issued_together_do_not_rotate_together()
    {
        await using var world = new World(World.OrdersApi with { Sharing = SharingScope.Holder, HolderTtl = TimeSpan.FromHours(2) });
        world.Issuer.Renewable = false;
        var replica = await world.ReplicaAsync();
        await world.PassAsync(Task.WhenAll(Enumerable.Range(0, 10).Select(pod => replica.AskAsync(World.Ask(pod, 1)))), Minute);
        var times = (await world.Ledger.Duties.DutiesAsync("orders", 100, default)).Where(duty => duty.Name.StartsWith("rotate:", StringComparison.Ordinal)).Select(duty => duty.DueAt).ToArray();
        times.Length.ShouldBe(10);
        (times.Max() - times.Min()).ShouldBeGreaterThan(TimeSpan.FromMinutes(1));
        foreach (var time in times) (time - world.Clock.GetUtcNow()).ShouldBeInRange(TimeSpan.FromMinutes(17), TimeSpan.FromMinutes(28));
    }

    [Fact]
    public async Task A_watching_holder_is_told_to_move_and_is_renewed_meanwhile()
    {
        await using var world = new World(World.OrdersApi with { HolderTtl = TimeSpan.FromMinutes(2) });
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        using var listening = new CancellationTokenSource();
        await using var events = replica.Watch.WatchAsync(World.Ask(0).Caller, grant.Holder.Id, null, World.From, listening.Token).GetAsyncEnumerator(default);
        (await NextAsync(world, events)).ShouldBeOfType<HolderEvent.Renewed>().Grant.Overlap.ShouldBeNull();

        var next = NextAsync(world, events);
        world.Clock.Advance(TimeSpan.FromMinutes(1.9));
        (await next).ShouldBeOfType<HolderEvent.Renewed>().Grant.Overlap.ShouldBeNull();

        var told = NextAsync(world, events);
        await replica.Leases.RotateAsync(World.Ask(0).Caller, "orders-api", "a test", World.From, default);
        var moved = (await told).ShouldBeOfType<HolderEvent.Renewed>().Grant;
        moved.Overlap.ShouldNotBeNull().ShouldBeGreaterThan(TimeSpan.FromSeconds(5));
        moved.Lease.Id.ShouldNotBe(grant.Lease.Id);

        var over = NextAsync(world, events);
        await replica.Holders.ReleaseAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default);
        (await over).ShouldBeOfType<HolderEvent.Ending>().Refusal.Code.ShouldBe(RefusalCode.HolderUnknown);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(0L)]
    public async Task A_watching_holder_hears_at_once_that_an_operator_ended_it(long? allotment)
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var other = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        await using var events = replica.Watch.WatchAsync(World.Ask(0).Caller, grant.Holder.Id, null, World.From, default, allotment).GetAsyncEnumerator(default);
        await NextAsync(world, events);
        var over = events.MoveNextAsync().AsTask();
        (await other.Holders.EndAsync(Callers.Pod("uid-9", "operator"), grant.Holder.Id, "a test", World.From, default)).ShouldBeNull();
        (await world.PassAsync(over, TimeSpan.FromSeconds(1))).ShouldBeTrue();
        events.Current.ShouldBeOfType<HolderEvent.Ending>().Refusal.Code.ShouldBe(RefusalCode.HolderUnknown);
    }

    [Fact]
    public async Task L10_A_replica_that_stops_answers_who_waits_and_lets_go_who_watches()
    {
        await using var world = new World(capacity: 4);
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0, 4)), Minute)).Grant!;
        var waiting = replica.AskAsync(World.Ask(1, 2, wait: TimeSpan.FromSeconds(60)));
        await using var events = replica.Watch.WatchAsync(World.Ask(0).Caller, grant.Holder.Id, null, World.From, default).GetAsyncEnumerator(default);
        await NextAsync(world, events);
        var end = events.MoveNextAsync().AsTask();

        replica.Shutdown.Begin();
        (await world.PassAsync(waiting, TimeSpan.FromSeconds(3))).Refusal!.RetryAfter.ShouldNotBeNull();
        (await world.PassAsync(end, TimeSpan.FromSeconds(3))).ShouldBeFalse();
    }

    private static async Task<HolderEvent> NextAsync(World world, IAsyncEnumerator<HolderEvent> events)
    {
        do (await world.PassAsync(events.MoveNextAsync().AsTask(), TimeSpan.FromMinutes(3))).ShouldBeTrue();
        while (events.Current is HolderEvent.StillHere);
        return events.Current;
    }

    [Fact]
    public async Task A_lease_that_nobody_holds_is_not_followed_by_another()
    {
        await using var world = new World(World.OrdersApi with { IdleTtl = TimeSpan.FromHours(3) });
        world.Issuer.Renewable = false;
        world.Issuer.Life = 10 * Minute;
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        (await replica.Holders.ReleaseAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default)).ShouldBeNull();

        await world.LeaseAsync(lease => lease.Id == grant.Lease.Id && lease.State == LeaseState.Revoked, 20 * Minute);
        world.Issuer.Made.ShouldBe(1);
    }
}
