using Broker.Core.Databases;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>A database that nobody uses is not queried; the next claim has its connections counted before anything is granted.</summary>
public sealed class RestingDatabaseTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task Nothing_is_asked_while_nobody_holds_or_waits()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        await RestsAsync(world, replica);
        var asked = world.Engine.Asked;

        await world.PassAsync(TimeSpan.FromMinutes(10));

        world.Engine.Asked.ShouldBe(asked);
        var budget = (await replica.Budgets.ReadAsync("orders", default))!;
        (budget.Record.Resting, budget.IsStale).ShouldBe((true, false), "nobody is to be called for it");
    }

    [Fact]
    public async Task L2_A_claim_on_a_resting_database_waits_for_a_count_of_what_others_opened_meanwhile()
    {
        await using var world = new World(capacity: 10);
        var replica = await world.ReplicaAsync();
        await RestsAsync(world, replica);
        world.Engine.Users.Add(new UserConnections("somebody", 8, 8));
        await world.PassAsync(Minute);

        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant.ShouldNotBeNull();

        grant.Connections.ShouldBe(2);
        (await replica.Budgets.ReadAsync("orders", default))!.Record.Resting.ShouldBeFalse();
    }

    [Fact]
    public async Task A_caller_that_does_not_wait_starts_the_count_that_the_next_one_finds()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        await RestsAsync(world, replica);
        await world.PassAsync(Minute);

        (await world.PassAsync(replica.AskAsync(World.Ask(0, wait: TimeSpan.Zero)), Minute)).Refusal!.Code.ShouldBe(RefusalCode.DatabaseUnavailable);
        await world.PassAsync(TimeSpan.FromSeconds(2));
        (await replica.Budgets.ReadAsync("orders", default))!.IsStale.ShouldBeFalse();
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant.ShouldNotBeNull();
    }

    [Fact]
    public async Task A_database_that_is_slow_to_wake_is_asked_until_it_answers()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        await RestsAsync(world, replica);
        await world.PassAsync(Minute);
        world.Engine.SampleFailure = new(DatabaseFailure.Unavailable, "it is waking up");
        var waits = replica.AskAsync(World.Ask(0, wait: TimeSpan.FromSeconds(60)));
        await world.PassAsync(TimeSpan.FromSeconds(20));
        waits.IsCompleted.ShouldBeFalse();

        world.Engine.SampleFailure = null;
        (await world.PassAsync(waits, Minute)).Grant.ShouldNotBeNull();
    }

    [Fact]
    public async Task A_database_that_did_not_answer_last_is_asked_on()
    {
        await using var world = new World();
        world.Engine.SampleFailure = new(DatabaseFailure.Unavailable, "down");
        var replica = await world.ReplicaAsync();
        await world.PassAsync(TimeSpan.FromMinutes(3));
        replica.Failing("sample").ShouldNotBeNull("somebody is to see that it is away");

        world.Engine.SampleFailure = null;
        await RestsAsync(world, replica);
    }

    [Fact]
    public async Task L3_A_login_that_was_not_tried_while_nobody_held_it_is_tried_before_it_is_given()
    {
        await using var world = new World(World.OrdersApi with { IdleTtl = TimeSpan.FromHours(2), VerifyEvery = Minute });
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        await replica.Holders.ReleaseAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default);
        await RestsAsync(world, replica);
        await world.PassAsync(TimeSpan.FromMinutes(3));
        var asked = world.Engine.Asked;
        await world.PassAsync(TimeSpan.FromMinutes(10));
        world.Engine.Asked.ShouldBe(asked);

        world.Engine.RefusedUser = grant.Credentials.Login.Username;
        var next = (await world.PassAsync(replica.AskAsync(World.Ask(1, wait: TimeSpan.FromSeconds(60))), TimeSpan.FromMinutes(2))).Grant.ShouldNotBeNull();
        next.Credentials.Login.Username.ShouldNotBe(grant.Credentials.Login.Username, "the database refuses that one by now");
    }

    [Fact]
    public async Task While_somebody_holds_something_the_database_is_counted()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        await world.PassAsync(Minute);
        var asked = world.Engine.Asked;
        await world.PassAsync(Minute);
        (world.Engine.Asked - asked).ShouldBeGreaterThan(20);
        (await replica.Budgets.ReadAsync("orders", default))!.Record.Resting.ShouldBeFalse();

        await replica.Holders.ReleaseAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default);
        await RestsAsync(world, replica);
    }

    [Fact]
    public async Task A_ceiling_that_an_operator_sets_is_in_force_without_anybody_claiming()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        await RestsAsync(world, replica);

        (await replica.Ceilings.SetAsync(World.Ask(99).Caller, "orders", 42, "a test", World.From, default)).ShouldBeNull();

        await world.PassAsync(() => replica.Budgets.ReadAsync("orders", default).AsTask().GetAwaiter().GetResult()!.Record.Ceiling == 42, Minute);
        await RestsAsync(world, replica);
    }

    /// <summary>One of the counts below is the last before the database rests.</summary>
    [Fact]
    public async Task A_ceiling_that_an_operator_sets_during_the_last_count_is_in_force_without_anybody_claiming()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var (ordered, at, until) = (10, DateTimeOffset.MinValue, world.Clock.GetUtcNow().AddSeconds(11));
        world.Engine.OnSample = async () =>
        {
            var now = world.Clock.GetUtcNow();
            if (now == at || now > until) return; // once a count, and not while that is counted again
            at = now;
            (await replica.Ceilings.SetAsync(World.Ask(99).Caller, "orders", ++ordered, "a test", World.From, default)).ShouldBeNull();
        };

        await world.PassAsync(Minute);

        ordered.ShouldBeGreaterThan(12);
        (await replica.Budgets.ReadAsync("orders", default))!.Record.Ceiling.ShouldBe(ordered);
        await RestsAsync(world, replica);
    }

    [Fact]
    public async Task L8_An_order_is_in_force_for_who_wakes_the_database_after_the_ledger_was_emptied()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        await RestsAsync(world, replica);
        (await replica.Pauses.SetAsync(World.Ask(99).Caller, "orders-api", RoleState.Paused, "a new disk", World.From, default)).ShouldBeNull();
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Refusal!.Code.ShouldBe(RefusalCode.RolePaused);

        world.Flush();

        (await world.PassAsync(replica.AskAsync(World.Ask(1)), Minute)).Refusal!.Code.ShouldBeOneOf(RefusalCode.RolePaused, RefusalCode.DatabaseUnavailable);
        await world.PassAsync(Minute);
        (await world.PassAsync(replica.AskAsync(World.Ask(2)), Minute)).Refusal!.Code.ShouldBe(RefusalCode.RolePaused);
        (await replica.Budgets.ReadAsync("orders", default))!.Record.Granted.ShouldBe(0);
    }

    [Fact]
    public async Task Its_history_has_a_gap_meanwhile_and_no_zeros()
    {
        await using var world = new World();
        world.Engine.Users.Add(new UserConnections("somebody", 8, 8));
        var replica = await world.ReplicaAsync();
        await RestsAsync(world, replica);
        var rests = world.Clock.GetUtcNow();
        await world.PassAsync(TimeSpan.FromMinutes(20));
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant.ShouldNotBeNull();
        await world.PassAsync(Minute);

        var read = await new HistoryLedger(world.Store).ReadAsync("orders", HistorySpan.Hour, default);

        read.Stretches.ShouldContain(stretch => stretch.Start < rests);
        read.Stretches.ShouldContain(stretch => stretch.Granted == grant.Connections);
        read.Stretches.ShouldNotContain(stretch => stretch.Start > rests && stretch.Start < rests.AddMinutes(19));
        read.Stretches.ShouldAllBe(stretch => stretch.Foreign == 8 && stretch.Limit > 0);
    }

    [Fact]
    public async Task A_forecast_counts_what_it_is_made_of()
    {
        await using var world = new World(capacity: 10);
        var replica = await world.ReplicaAsync();
        await RestsAsync(world, replica);
        world.Engine.Users.Add(new UserConnections("somebody", 8, 8));

        var forecast = await world.PassAsync(replica.Budgets.ForecastAsync("orders", new(2, 2, 0), null, null, default).AsTask(), Minute);

        forecast!.Forecast.Fits.ShouldBeFalse();
        forecast.Forecast.Free.ShouldBe(2);
    }

    private static Task RestsAsync(World world, World.Replica replica) =>
        world.PassAsync(() => replica.Budgets.ReadAsync("orders", default).AsTask().GetAwaiter().GetResult()!.Record.Resting, TimeSpan.FromMinutes(5));
}
