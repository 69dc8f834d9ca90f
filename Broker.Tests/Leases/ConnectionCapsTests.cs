using Broker.Core.Databases;
using Broker.Core.Model;
using Broker.Core.Operators;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>Caps in the database follow what is granted, with few changes and never too late.</summary>
public sealed class ConnectionCapsTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task A_rollout_of_a_hundred_pods_on_two_replicas_costs_a_few_raises_and_no_grant_leaves_before_its_own()
    {
        await using var world = Enforcing(capacity: 1000);
        var replicas = new[] { await world.ReplicaAsync(), await world.ReplicaAsync() };
        var left = 0;

        var pods = Enumerable.Range(0, 100).Select(async pod =>
        {
            var grant = (await replicas[pod % 2].AskAsync(World.Ask(pod, connections: 5))).Grant!;
            var promised = Interlocked.Add(ref left, grant.Connections);
            Highest(world).ShouldBeGreaterThanOrEqualTo(promised);
            return grant;
        });
        (await world.PassAsync(Task.WhenAll(pods), Minute)).Length.ShouldBe(100);

        world.Engine.Capped.Count.ShouldBeLessThan(25, "claims that arrive together share a raise");
        Last(world).ShouldNotBeNull().ShouldBeInRange(500, 625);
    }

    [Fact]
    public async Task Pods_that_come_one_after_the_other_share_raises_through_the_head_room()
    {
        await using var world = Enforcing(capacity: 1000);
        var replica = await world.ReplicaAsync();

        for (var pod = 0; pod < 40; pod++)
        {
            (await world.PassAsync(replica.AskAsync(World.Ask(pod, connections: 5)), Minute)).Grant.ShouldNotBeNull();
            Last(world).ShouldNotBeNull().ShouldBeGreaterThanOrEqualTo(5 * (pod + 1));
        }

        world.Engine.Capped.Count.ShouldBeLessThan(25);
    }

    [Fact]
    public async Task A_claim_that_fits_asks_the_database_nothing()
    {
        await using var world = Enforcing(capacity: 1000);
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.AskAsync(World.Ask(0, connections: 20)), Minute)).Grant.ShouldNotBeNull();
        var before = world.Engine.Capped.Count;

        (await world.PassAsync(replica.AskAsync(World.Ask(1, connections: 5)), Minute)).Grant.ShouldNotBeNull();
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant.ShouldNotBeNull();

        world.Engine.Capped.Count.ShouldBe(before);
    }

    [Fact]
    public async Task The_head_room_takes_nothing_that_is_promised_to_others()
    {
        await using var world = Enforcing(capacity: 21);
        var replica = await world.ReplicaAsync();

        (await world.PassAsync(replica.AskAsync(World.Ask(0, connections: 20)), Minute)).Grant.ShouldNotBeNull();

        Last(world).ShouldBe(21);
    }

    [Fact]
    public async Task A_cap_is_lowered_to_what_is_granted_after_a_release_and_raised_again_before_the_next_grant()
    {
        await using var world = Enforcing(capacity: 1000);
        var replica = await world.ReplicaAsync();
        var grants = await world.PassAsync(
            Task.WhenAll(Enumerable.Range(0, 4).Select(pod => replica.AskAsync(World.Ask(pod, connections: 5)))), Minute);
        await world.PassAsync(() => Last(world) == 20, Minute);

        await replica.Holders.ReleaseAsync(World.Ask(0).Caller, grants[0].Grant!.Holder.Id, World.Ask(0).Origin, CancellationToken.None);
        await world.PassAsync(() => Last(world) == 15, Minute);

        (await world.PassAsync(replica.AskAsync(World.Ask(9, connections: 5)), Minute)).Grant.ShouldNotBeNull();
        Last(world).ShouldNotBeNull().ShouldBeGreaterThanOrEqualTo(20);
    }

    [Fact]
    public async Task A_cap_that_cannot_be_raised_is_a_refusal_that_says_so_and_mends_itself()
    {
        await using var world = Enforcing(capacity: 100);
        var replica = await world.ReplicaAsync();
        world.Engine.CapFailure = new(DatabaseFailure.StatementRefused, "permission denied");

        var refusal = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Refusal!;

        refusal.Code.ShouldBe(RefusalCode.DatabaseUnavailable);
        refusal.Detail.ShouldContain("permission denied");
        refusal.Detail.ShouldContain("Enforce");
        world.Engine.CapFailure = null;
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant.ShouldNotBeNull();
    }

    [Fact]
    public async Task L2_A_change_whose_answer_was_lost_is_not_overtaken_by_the_next_because_it_may_reach_the_database_after_it()
    {
        await using var world = Enforcing(capacity: 1000);
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.AskAsync(World.Ask(0, connections: 4)), Minute)).Grant.ShouldNotBeNull();

        var lost = DateTimeOffset.MaxValue;
        world.Engine.OnCap = () =>
        {
            if (lost < DateTimeOffset.MaxValue) return Task.CompletedTask;
            lost = world.Clock.GetUtcNow();
            throw new DatabaseException(DatabaseFailure.AnswerLost, "the connection broke");
        };
        (await world.PassAsync(replica.AskAsync(World.Ask(1, connections: 20)), Minute)).Refusal.ShouldNotBeNull().Code.ShouldBe(RefusalCode.DatabaseUnavailable);
        var before = world.Engine.Capped.Count;

        await world.PassAsync(() => world.Engine.Capped.Count > before, Minute); // the next count raises it
        (world.Clock.GetUtcNow() - lost).ShouldBeInRange(TimeSpan.FromSeconds(11.9), TimeSpan.FromSeconds(20));
        (await world.PassAsync(replica.AskAsync(World.Ask(1, connections: 20)), Minute)).Grant.ShouldNotBeNull();
        Last(world).ShouldNotBeNull().ShouldBeGreaterThanOrEqualTo(24);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task L2_A_change_that_hangs_until_its_deadline_is_not_overtaken_by_the_next(bool lowers)
    {
        await using var world = Enforcing(capacity: 1000);
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.AskAsync(World.Ask(0, connections: 4)), Minute)).Grant.ShouldNotBeNull();
        var second = (await world.PassAsync(replica.AskAsync(World.Ask(1, connections: 20)), Minute)).Grant.ShouldNotBeNull();

        DateTimeOffset? sent = null, next = null;
        world.Engine.OnCap = () =>
        {
            if (sent is not null)
            {
                next ??= world.Clock.GetUtcNow();
                return Task.CompletedTask;
            }

            sent = world.Clock.GetUtcNow();
            return new TaskCompletionSource().Task;
        };
        var asks = lowers ? null : replica.AskAsync(World.Ask(2, connections: 20));
        if (lowers) await replica.Holders.ReleaseAsync(World.Ask(1).Caller, second.Holder.Id, World.Ask(1).Origin, CancellationToken.None);
        await world.PassAsync(() => next is not null, Minute);
        (next!.Value - sent!.Value).ShouldBeInRange(TimeSpan.FromSeconds(11.9), TimeSpan.FromSeconds(25));
        if (asks is not null) await world.PassAsync(asks, Minute);
    }

    [Fact]
    public async Task Without_enforcing_the_database_is_told_nothing()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();

        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant.ShouldNotBeNull();

        world.Engine.Capped.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_holder_with_more_open_than_granted_is_shown()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0, connections: 5)), Minute)).Grant!;

        world.Engine.Users.Add(new(grant.Credentials.Login.Username, 12, 12));

        await world.PassAsync(() => Over(world) == 7, Minute);
        world.Engine.Users.Clear();
        await world.PassAsync(() => Over(world) == 0, Minute);
    }

    private static World Enforcing(int capacity) =>
        new(database: World.Orders with { Budget = World.Orders.Budget with { Enforce = true } }, capacity: capacity);

    // The ledger in the process answers at once.
    private static int Over(World world) =>
        world.Ledger.Budgets.BudgetAsync("orders", ["orders-api"], CancellationToken.None).AsTask().GetAwaiter().GetResult().Roles[0].Over;

    private static int? Last(World world) => world.Engine.Capped.LastOrDefault().Connections;

    private static int Highest(World world) => world.Engine.Capped.Max(cap => cap.Connections ?? 0);
}
