using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Broker.Core.Operators;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>The database's own limit on a user is never lower than what was promised on it (L2), whatever was lost on the way.</summary>
public sealed class CountsOfCapsTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);
    private static readonly Database Enforced = World.Orders with { Budget = World.Orders.Budget with { Enforce = true } };

    [Fact]
    public async Task L2_A_cap_that_was_lowered_and_whose_answer_was_lost_is_raised_before_a_grant_leaves()
    {
        await using var world = new World(database: Enforced, capacity: 1000);
        var replica = await world.ReplicaAsync();
        var grants = await world.PassAsync(Task.WhenAll(Enumerable.Range(0, 4).Select(pod => replica.AskAsync(World.Ask(pod, 5)))), Minute);
        await CappedAtAsync(world, 20);
        await world.PassAsync(TimeSpan.FromSeconds(6));
        world.Engine.CapFailure = new(DatabaseFailure.Unavailable, "the answer was lost"); // the server does it, and nobody hears of it
        await replica.Holders.ReleaseAsync(World.Ask(0).Caller, grants[0].Grant!.Holder.Id, World.From, default);
        await CappedAtAsync(world, 15);
        await world.PassAsync(TimeSpan.FromMilliseconds(100));
        world.Engine.CapFailure = null;
        (await world.PassAsync(replica.AskAsync(World.Ask(9, 5)), Minute)).Grant.ShouldNotBeNull();
        CapOf(world)!.Value.ShouldBeGreaterThanOrEqualTo(20, "20 are promised on that user");
    }

    [Fact]
    public async Task A_cap_that_may_not_have_been_lowered_is_lowered_again()
    {
        await using var world = new World(database: Enforced, capacity: 1000);
        var replica = await world.ReplicaAsync();
        var grants = await world.PassAsync(Task.WhenAll(Enumerable.Range(0, 4).Select(pod => replica.AskAsync(World.Ask(pod, 5)))), Minute);
        await CappedAtAsync(world, 20);
        await world.PassAsync(TimeSpan.FromSeconds(6));
        world.Engine.CapFailure = new(DatabaseFailure.Unavailable, "the database is away");
        await replica.Holders.ReleaseAsync(World.Ask(0).Caller, grants[0].Grant!.Holder.Id, World.From, default);
        await CappedAtAsync(world, 15);
        world.Engine.CapFailure = null;
        var told = world.Engine.Capped.Count;
        await world.PassAsync(() => world.Engine.Capped.Count > told, Minute);
        CapOf(world).ShouldBe(15);
    }

    [Fact]
    public async Task A_cap_of_which_nobody_knows_whether_the_database_has_it_is_lifted_when_caps_are_no_longer_wanted()
    {
        await using var world = new World(database: Enforced, capacity: 1000);
        var replica = await world.ReplicaAsync();
        world.Engine.CapFailure = new(DatabaseFailure.AnswerLost, "the answer was lost"); // the server does it, and nobody hears of it
        (await world.PassAsync(replica.AskAsync(World.Ask(0, 5)), Minute)).Grant.ShouldBeNull();
        CapOf(world).ShouldNotBeNull();

        world.Catalog.Current = world.Catalog.Current with { Databases = new Dictionary<string, Database> { [World.Orders.Name] = World.Orders } };
        world.Engine.CapFailure = null;
        (await world.PassAsync(replica.AskAsync(World.Ask(0, 5)), Minute)).Grant.ShouldNotBeNull();
        await world.PassAsync(() => CapOf(world) is null, Minute);
        var told = world.Engine.Capped.Count;
        await world.PassAsync(Minute);
        world.Engine.Capped.Count.ShouldBe(told, "it is known now");
    }

    [Fact]
    public async Task A_cap_that_the_ledger_lost_is_lifted_when_caps_are_no_longer_wanted()
    {
        await using var world = new World(database: Enforced, capacity: 1000);
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.AskAsync(World.Ask(0, 5)), Minute)).Grant.ShouldNotBeNull();
        await CappedAtAsync(world, 5);
        var copy = world.Store.Copy();
        (await world.PassAsync(replica.AskAsync(World.Ask(1, 5)), Minute)).Grant.ShouldNotBeNull();
        world.Catalog.Current = world.Catalog.Current with { Databases = new Dictionary<string, Database> { [World.Orders.Name] = World.Orders } };

        world.Store.PutBack(copy);

        await world.PassAsync(() => CapOf(world) is null, Minute);
    }

    [Fact]
    public async Task L2_A_ledger_that_fell_back_to_a_higher_cap_raises_it_before_it_promises_more()
    {
        await using var world = new World(database: Enforced, capacity: 1000);
        var replica = await world.ReplicaAsync();
        var grants = await world.PassAsync(Task.WhenAll(Enumerable.Range(0, 4).Select(pod => replica.AskAsync(World.Ask(pod, 5)))), Minute);
        await CappedAtAsync(world, 20);
        await world.PassAsync(TimeSpan.FromSeconds(6));
        var copy = world.Store.Copy();
        foreach (var grant in grants.Take(3)) await replica.Holders.ReleaseAsync(World.Ask(Array.IndexOf(grants, grant)).Caller, grant.Grant!.Holder.Id, World.From, default);
        await CappedAtAsync(world, 5);
        world.Store.PutBack(copy);
        for (var pod = 10; pod < 14; pod++)
        {
            (await world.PassAsync(replica.AskAsync(World.Ask(pod, 5, wait: TimeSpan.FromSeconds(25))), Minute)).Grant.ShouldNotBeNull();
            if (CapOf(world) is { } cap) cap.ShouldBeGreaterThanOrEqualTo(5 * (pod - 8));
        }
    }

    [Fact]
    public async Task L2_A_cap_is_not_lowered_to_what_a_ledger_knows_that_lost_something_since_the_count()
    {
        await using var world = new World(database: Enforced, capacity: 1000);
        World.Replica[] replicas = [await world.ReplicaAsync(), await world.ReplicaAsync()];
        await GrantAsync(0, 1);
        await world.PassAsync(TimeSpan.FromSeconds(6));
        var copy = world.Store.Copy();
        var left = (await GrantAsync(2, 3))[0].Holder.Id;
        await CappedAtAsync(world, 20);
        await world.PassAsync(TimeSpan.FromSeconds(6));
        await replicas[0].Holders.ReleaseAsync(World.Ask(2).Caller, left, World.From, default);
        var (isLost, told) = (false, world.Engine.Capped.Count);
        foreach (var replica in replicas) replica.Link.OnTheWayBack = LoseAfterTheCountAsync;

        await world.PassAsync(() => isLost, Minute);
        await world.PassAsync(TimeSpan.FromSeconds(4));

        world.Engine.Capped.Skip(told).ShouldAllBe(cap => cap.Connections == null || cap.Connections >= 20, "pod 9 was granted what pod 2 left");

        async Task<Grant[]> GrantAsync(params int[] pods) =>
            [.. (await world.PassAsync(Task.WhenAll(pods.Select(pod => replicas[0].AskAsync(World.Ask(pod, 5)))), Minute)).Select(outcome => outcome.Grant.ShouldNotBeNull())];

        async Task LoseAfterTheCountAsync(Decision decision)
        {
            if (decision != Decision.Sample || isLost) return;
            isLost = true;
            (await replicas[1].AskAsync(World.Ask(9, 5))).Grant.ShouldNotBeNull();
            world.Store.PutBack(copy);
        }
    }

    [Fact]
    public async Task L2_What_a_user_has_open_beyond_what_was_granted_is_not_taken_from_those_who_were_granted_less_than_it()
    {
        await using var world = new World(database: Enforced, capacity: 1000);
        var replica = await world.ReplicaAsync();
        var grants = await world.PassAsync(Task.WhenAll(Enumerable.Range(0, 4).Select(pod => replica.AskAsync(World.Ask(pod, 5)))), Minute);
        await CappedAtAsync(world, 20);
        world.Engine.Users.Add(new(grants[0].Grant!.Credentials.Login.Username, 18, 18));
        await replica.Holders.ReleaseAsync(World.Ask(0).Caller, grants[0].Grant!.Holder.Id, World.From, default);

        await CappedAtAsync(world, 18);

        (await world.PassAsync(replica.AskAsync(World.Ask(9, 5)), Minute)).Grant.ShouldNotBeNull();
        CapOf(world).ShouldNotBeNull().ShouldBeGreaterThanOrEqualTo(23, "3 are nobody's, and 20 are promised");
    }

    [Fact]
    public async Task L2_What_whoever_moved_has_open_still_is_not_taken_from_those_who_stay()
    {
        await using var world = new World(database: Enforced, capacity: 30);
        var replica = await world.ReplicaAsync();
        var grants = await world.PassAsync(Task.WhenAll(Enumerable.Range(0, 4).Select(pod => replica.AskAsync(World.Ask(pod, 5)))), Minute);
        var user = grants[0].Grant!.Credentials.Login.Username;
        (await replica.Leases.RotateAsync(World.Ask(0).Caller, "orders-api", "a test", World.From, default)).ShouldBeNull();
        var moved = await MoveAsync();

        await world.PassAsync(TimeSpan.FromSeconds(20));

        world.Engine.Capped.Last(cap => cap.Username == user).Connections.ShouldNotBeNull().ShouldBeGreaterThanOrEqualTo(20, "it may be closing 5 of them still");
        moved.Lease.Id.ShouldNotBe(grants[0].Grant!.Lease.Id);

        async Task<Grant> MoveAsync()
        {
            while (true)
            {
                if ((await world.PassAsync(replica.AskAsync(World.Ask(0, 5)), Minute)).Grant is { } grant && grant.Lease.Id != grants[0].Grant!.Lease.Id) return grant;
                await world.PassAsync(TimeSpan.FromSeconds(1));
            }
        }
    }

    [Fact]
    public async Task L2_A_cap_that_was_told_after_its_turn_is_told_anew()
    {
        await using var world = new World(database: Enforced, capacity: 1000);
        var replica = await world.ReplicaAsync();
        var grants = await world.PassAsync(Task.WhenAll(Enumerable.Range(0, 4).Select(pod => replica.AskAsync(World.Ask(pod, 5)))), Minute);
        await CappedAtAsync(world, 20);
        var lease = grants[0].Grant!.Lease.Id;

        // Another replica takes its turn and stands still, longer than its turn.
        (await world.Ledger.Caps.TakeCapAsync("orders", lease, "late", TimeSpan.FromSeconds(12), default)).ShouldBeOfType<CapTurn.Taken>();
        await world.PassAsync(TimeSpan.FromSeconds(13));
        (await world.PassAsync(replica.AskAsync(World.Ask(9, 5)), Minute)).Grant.ShouldNotBeNull();
        await CappedAtAsync(world, 25);
        await world.Engine.CapUserAsync(Enforced, grants[0].Grant!.Credentials.Login.Username, 20, default);
        await world.Ledger.Caps.CappedAsync("orders", lease, "late", 20, default);

        await world.PassAsync(() => CapOf(world) >= 25, Minute);
    }

    [Fact]
    public async Task L2_Who_is_late_with_a_cap_ends_no_other_turn_and_takes_none()
    {
        await using var world = new World(database: Enforced, capacity: 1000);
        var replica = await world.ReplicaAsync();
        var grants = await world.PassAsync(Task.WhenAll(Enumerable.Range(0, 4).Select(pod => replica.AskAsync(World.Ask(pod, 5)))), Minute);
        await CappedAtAsync(world, 20);
        var lease = grants[0].Grant!.Lease.Id;
        await world.PassAsync(TimeSpan.FromSeconds(6));

        // It stands still while it tells the database, and another takes the turn.
        CapTurn? other = null;
        world.Engine.OnCap = () =>
        {
            if (other is not null) return Task.CompletedTask;
            world.Clock.Advance(TimeSpan.FromSeconds(13));
            other = world.Ledger.Caps.TakeCapAsync("orders", lease, "other", TimeSpan.FromSeconds(12), default).AsTask().GetAwaiter().GetResult();
            return Task.CompletedTask;
        };
        await replica.Holders.ReleaseAsync(World.Ask(0).Caller, grants[0].Grant!.Holder.Id, World.From, default);
        await world.PassAsync(() => other is not null, Minute);
        await world.IdleAsync();

        other.ShouldBeOfType<CapTurn.Taken>();
        (await world.Ledger.Caps.TakeCapAsync("orders", lease, "third", TimeSpan.FromSeconds(12), default)).ShouldBeOfType<CapTurn.Busy>();
        replica.Said.ShouldContain(line => line.Contains("it did not happen within 8 s", StringComparison.Ordinal));
        await world.LeaseAsync(of => of.Cap == 15 && of.CappedAt is not null, Minute);
    }

    // The last that the database was told; null: no cap.
    private static int? CapOf(World world) => world.Engine.Capped.Last().Connections;

    private static Task CappedAtAsync(World world, int cap) => world.PassAsync(() => world.Engine.Capped.LastOrDefault().Connections == cap, Minute);
}
