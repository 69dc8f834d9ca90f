using Broker.Core.Databases;
using Broker.Core.Leases;
using Broker.Core.Model;
using Broker.Core.Operators;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>A limit of the database on one user is a limit of each lease: its holders never have more, and the rest get another.</summary>
public sealed class UserLimitTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task L2_A_cold_burst_is_split_over_as_many_leases_as_it_takes()
    {
        await using var world = new World(capacity: 200);
        world.Engine.UserLimit = 12;
        var replica = await world.ReplicaAsync();

        var outcomes = await world.PassAsync(Task.WhenAll(Enumerable.Range(0, 20).Select(pod => replica.AskAsync(World.Ask(pod, 5)))), Minute);

        outcomes.ShouldAllBe(outcome => outcome.Grant != null && outcome.Grant.Connections == 5);
        var leases = (await world.LeasesAsync()).Where(lease => lease.Holders > 0).ToList();
        leases.ShouldAllBe(lease => lease.Connections <= 12);
        leases.Sum(lease => lease.Connections).ShouldBe(100);
        world.Issuer.Made.ShouldBe(10, "two pods of five fit on each");
    }

    [Fact]
    public async Task L8_It_is_known_after_the_ledger_was_emptied()
    {
        await using var world = new World(capacity: 200);
        world.Engine.UserLimit = 12;
        var replica = await world.ReplicaAsync();
        for (var pod = 0; pod < 2; pod++) (await world.PassAsync(replica.AskAsync(World.Ask(pod, 5)), Minute)).Grant.ShouldNotBeNull();
        world.Flush();
        await world.PassAsync(TimeSpan.FromSeconds(10));

        for (var pod = 2; pod < 4; pod++) (await world.PassAsync(replica.AskAsync(World.Ask(pod, 5)), Minute)).Grant.ShouldNotBeNull();

        (await world.LeasesAsync()).Select(lease => lease.Connections).Order().ShouldBe([10, 10]);
        world.Issuer.Made.ShouldBe(2);
    }

    [Fact]
    public async Task L2_Later_claims_fill_what_is_left_and_then_open_another()
    {
        await using var world = new World();
        world.Engine.UserLimit = 10;
        var replica = await world.ReplicaAsync();

        for (var pod = 0; pod < 5; pod++) (await world.PassAsync(replica.AskAsync(World.Ask(pod, 5)), Minute)).Grant.ShouldNotBeNull();

        (await world.LeasesAsync()).Select(lease => lease.Connections).Order().ShouldBe([5, 10, 10]);
    }

    [Fact]
    public async Task A_caller_that_wants_more_than_a_user_may_open_gets_what_it_may()
    {
        await using var world = new World();
        world.Engine.UserLimit = 3;
        var replica = await world.ReplicaAsync();

        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!.Connections.ShouldBe(3, "the role's default is 5, its least 1");
        (await world.PassAsync(replica.AskAsync(World.Ask(1)), Minute)).Grant!.Connections.ShouldBe(3);

        (await world.LeasesAsync()).Select(lease => lease.Connections).ShouldBe([3, 3]);
    }

    [Fact]
    public async Task A_caller_that_needs_more_than_a_user_may_open_is_told_so_and_costs_no_more_users()
    {
        await using var world = new World();
        world.Engine.UserLimit = 3;
        var replica = await world.ReplicaAsync();

        for (var pod = 0; pod < 4; pod++)
        {
            var refusal = (await world.PassAsync(replica.AskAsync(World.Ask(pod, 5, 5)), Minute)).Refusal.ShouldNotBeNull();
            refusal.Code.ShouldBe(RefusalCode.BudgetExhausted);
            refusal.Detail.ShouldContain("open 3 at once");
            refusal.Budget!.CouldAskFor.ShouldBe(3);
        }

        world.Issuer.Made.ShouldBe(1, "that is how the limit is known");
        (await world.Ledger.Budgets.BudgetAsync("orders", [], default)).Granted.ShouldBe(0);
    }

    [Fact]
    public async Task A_limit_that_refused_and_was_raised_since_is_looked_at_again_after_ten_minutes()
    {
        await using var world = new World();
        world.Engine.UserLimit = 3;
        var replica = await world.ReplicaAsync();
        Task<Outcome> AskAsync(int pod) => world.PassAsync(replica.AskAsync(World.Ask(pod, 5, 5)), Minute);
        (await AskAsync(0)).Refusal!.Detail.ShouldContain("open 3 at once");
        world.Engine.UserLimit = null;

        await world.PassAsync(TimeSpan.FromMinutes(8));
        (await AskAsync(1)).Refusal!.Detail.ShouldContain("open 3 at once");
        world.Issuer.Made.ShouldBe(1);
        await world.PassAsync(TimeSpan.FromMinutes(3));
        (await AskAsync(2)).Grant.ShouldNotBeNull().Connections.ShouldBe(5);
        world.Issuer.Made.ShouldBe(2);
    }

    [Fact]
    public async Task L12_A_user_that_may_open_nothing_at_all_is_told_of_in_words_and_not_made_again_and_again()
    {
        await using var world = new World();
        world.Engine.UserLimit = 0;
        world.Engine.LoginFailure = new(DatabaseFailure.UserLimitReached, "too many connections for role");
        var replica = await world.ReplicaAsync();

        for (var pod = 0; pod < 4; pod++)
            (await world.PassAsync(replica.AskAsync(World.Ask(pod, 1, 1)), Minute)).Refusal!.Detail.ShouldContain("open 0 at once");

        world.Issuer.Made.ShouldBe(1);
    }

    [Fact]
    public async Task A_holder_that_moves_to_a_user_with_a_lower_limit_has_fewer_from_then_on()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0, 8)), Minute)).Grant!;
        world.Engine.UserLimit = 6;
        await replica.Leases.RotateAsync(World.Ask(0).Caller, "orders-api", "a test", World.From, default);
        await world.LeaseAsync(lease => lease.Id != grant.Lease.Id && lease.State == LeaseState.Active, Minute);

        var moved = (await world.PassAsync(replica.RenewAsync(grant), Minute)).Grant!;

        (moved.Lease.Id == grant.Lease.Id, moved.Connections).ShouldBe((false, 6));
        world.Issuer.Made.ShouldBe(2);
    }
}
