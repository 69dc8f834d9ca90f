using Broker.Core.Ledger;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>A replica remembers what ended as well as what began, and never answers with what is no longer true.</summary>
public sealed class MemoryOfReplicasTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task L2_A_holder_that_was_released_through_another_replica_is_not_granted_from_memory()
    {
        await using var world = new World(capacity: 5);
        var (a, b) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var grant = (await world.PassAsync(a.AskAsync(World.Ask(0, 5)), Minute)).Grant!;
        (await b.Holders.ReleaseAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default)).ShouldBeNull();
        (await world.PassAsync(b.AskAsync(World.Ask(1, 5)), Minute)).Grant.ShouldNotBeNull();
        a.Link.Cut();
        (await a.AskAsync(World.Ask(0, 5))).Grant.ShouldBeNull("5 of 5 are pod 1's");
    }

    [Fact]
    public async Task L2_A_holder_whose_release_is_known_only_from_the_rounds_is_not_granted_from_memory()
    {
        await using var world = new World(capacity: 5);
        var (a, b) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var grant = (await world.PassAsync(a.AskAsync(World.Ask(0, 5)), Minute)).Grant!;
        a.Link.LosesSignals = true;
        (await b.Holders.ReleaseAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default)).ShouldBeNull();
        await world.PassAsync(Second);
        a.Link.Cut();
        (await a.AskAsync(World.Ask(0, 5))).Grant.ShouldBeNull("it left a second before");
    }

    [Fact]
    public async Task L8_A_replica_that_works_for_days_is_never_taken_for_one_that_lost_something()
    {
        await using var world = new World(World.OrdersApi with { LeaseMaxTtl = TimeSpan.FromDays(60) });
        var a = await world.ReplicaAsync();
        var grant = (await world.PassAsync(a.AskAsync(World.Ask(0)), Minute)).Grant!;
        var epoch = (await EpochAsync()).ShouldNotBeNull();
        for (var passed = TimeSpan.Zero; passed < TimeSpan.FromHours(75); passed += 10 * Minute)
        {
            world.Clock.Advance(10 * Minute);
            await world.IdleAsync();
            (await world.PassAsync(a.RenewAsync(grant), Minute)).Grant.ShouldNotBeNull();
        }

        (await EpochAsync()).ShouldBe(epoch, "it wrote every ten minutes");

        Task<string?> EpochAsync() => Task.FromResult(world.Store.Copy().HashAt(LedgerKeys.Of("orders")[0]).GetValueOrDefault("epoch"));
    }

    [Fact]
    public async Task L8_A_holder_that_stays_while_a_ledger_grants_nothing_has_its_new_end_written_before_it_hears_of_it()
    {
        await using var world = new World();
        var a = await world.ReplicaAsync();
        var grant = (await world.PassAsync(a.AskAsync(World.Ask(0)), Minute)).Grant!;
        await world.PassAsync(Second);
        var copy = world.Store.Copy();
        (await world.PassAsync(a.AskAsync(World.Ask(1)), Minute)).Grant.ShouldNotBeNull();
        await world.PassAsync(4 * Minute);
        world.Store.PutBack(copy); // what this replica has heard of is gone

        var stays = (await world.PassAsync(a.Holders.StayAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default).AsTask(), Minute)).Grant.ShouldNotBeNull();

        stays.HolderEndsIn.ShouldBeGreaterThan(World.OrdersApi.HolderTtl - Second);
        (await world.Ledger.Holders.HoldersAsync("orders", null, 10, default)).Single(holder => holder.Id == grant.Holder.Id).EndsAt.ShouldBe(stays.Holder.ExpiresAt);
    }

    [Fact]
    public async Task L11_A_memory_is_believed_for_some_minutes_after_the_ledger_was_heard_last()
    {
        await using var world = new World();
        var a = await world.ReplicaAsync();
        (await world.PassAsync(a.AskAsync(World.Ask(0)), Minute)).Grant.ShouldNotBeNull();
        await world.PassAsync(Second);
        a.Link.Cut();
        (await a.AskAsync(World.Ask(0))).Grant.ShouldNotBeNull();
        world.Clock.Advance(6 * Minute);
        (await a.AskAsync(World.Ask(0))).Refusal!.Code.ShouldBe(RefusalCode.LedgerUnavailable, "others may have ended it long ago");
    }

    [Fact]
    public async Task L3_L4_A_holder_that_moved_through_another_replica_is_not_led_back_from_memory_to_a_dropped_user()
    {
        await using var world = new World();
        var (a, b) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var first = (await world.PassAsync(a.AskAsync(World.Ask(0)), Minute)).Grant!;
        await world.PassAsync(b.Leases.RotateAsync(World.Ask(0).Caller, "orders-api", "test", World.From, default).AsTask(), Minute);
        await world.LeaseAsync(lease => lease.Id != first.Lease.Id && lease.State == LeaseState.Active, Minute);
        a.Link.LosesSignals = true;
        var second = (await world.PassAsync(b.RenewAsync(first), Minute)).Grant!;
        second.Lease.Id.ShouldNotBe(first.Lease.Id);
        a.Link.Cut();
        (await world.PassAsync(a.Holders.RenewAsync(World.Ask(0).Caller, second.Holder.Id, World.From, default, second.Lease.Id).AsTask(), Minute))
            .Grant.ShouldBeNull("it says that it has another lease than this replica remembers");
        a.Link.Mend();
        await world.PassAsync(() => !world.Issuer.Users.ContainsKey(first.Credentials.Login.Username), 3 * Minute);
        a.Link.Cut();
        (await world.PassAsync(a.AskAsync(World.Ask(0)), Minute)).Grant.ShouldBeNull("the user that this replica remembers is dropped");
    }

    [Fact]
    public async Task L8_A_holder_that_was_released_elsewhere_is_not_put_back()
    {
        await using var world = new World(World.OrdersApi with { HolderTtl = TimeSpan.FromDays(2) }, capacity: 5);
        var (a, b) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var one = (await world.PassAsync(a.AskAsync(World.Ask(0, 5)), Minute)).Grant!;
        (await b.Holders.ReleaseAsync(World.Ask(0).Caller, one.Holder.Id, World.From, default)).ShouldBeNull();
        world.Flush();
        await world.PassAsync(30 * Second);
        var said = await world.PassAsync(b.AskAsync(World.Ask(1, 5, wait: 20 * Second)), Minute);
        var budget = await world.Ledger.Budgets.BudgetAsync("orders", ["orders-api"], default);
        said.Grant.ShouldNotBeNull($"nobody holds anything; {said.Refusal?.Code} {said.Refusal?.Detail}, granted {budget.Granted} of {budget.Capacity}, foreign {budget.Foreign}");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task L8_A_holder_that_left_stays_gone_whichever_replica_speaks_first(bool whoHeardIt)
    {
        await using var world = new World(World.OrdersApi with { HolderTtl = TimeSpan.FromDays(2) }, capacity: 5);
        var (a, b) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var one = (await world.PassAsync(a.AskAsync(World.Ask(0, 5)), Minute)).Grant!;
        a.Link.Cut(); // it never hears that its holder left
        (await b.Holders.ReleaseAsync(World.Ask(0).Caller, one.Holder.Id, World.From, default)).ShouldBeNull();
        world.Flush();
        if (!whoHeardIt) b.Link.Cut();
        else a.Link.Cut();
        if (!whoHeardIt) a.Link.Mend();
        await world.PassAsync(2 * Second);
        a.Link.Mend();
        b.Link.Mend();
        await world.PassAsync(20 * Second);
        (await world.Ledger.Budgets.BudgetAsync("orders", [], default)).Granted.ShouldBe(0);
    }

    [Fact]
    public async Task L2_A_holder_whose_release_was_not_answered_is_not_granted_from_memory()
    {
        await using var world = new World(capacity: 5);
        var (a, b) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var grant = (await world.PassAsync(a.AskAsync(World.Ask(0, 5)), Minute)).Grant!;
        a.Link.LosesSignals = true;
        a.Link.OnTheWayBack = decision => decision == Decision.Release ? throw new LedgerException("the answer was lost") : Task.CompletedTask;
        (await a.Holders.ReleaseAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default))!.Code.ShouldBe(RefusalCode.LedgerUnavailable);
        a.Link.Cut();
        (await world.PassAsync(b.AskAsync(World.Ask(1, 5)), Minute)).Grant.ShouldNotBeNull("the release was carried out");

        (await a.AskAsync(World.Ask(0, 5))).Grant.ShouldBeNull("5 of 5 are pod 1's");
    }

    [Fact]
    public async Task Who_is_granted_again_after_a_release_that_was_not_answered_is_remembered_again()
    {
        await using var world = new World(capacity: 5);
        var a = await world.ReplicaAsync();
        var grant = (await world.PassAsync(a.AskAsync(World.Ask(0, 5)), Minute)).Grant!;
        a.Link.Cut();
        (await a.Holders.ReleaseAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default))!.Code.ShouldBe(RefusalCode.LedgerUnavailable);
        a.Link.Mend();
        (await world.PassAsync(a.AskAsync(World.Ask(0, 5)), Minute)).Grant.ShouldNotBeNull("the release never reached the ledger");
        a.Link.Cut();

        (await a.AskAsync(World.Ask(0, 5))).Grant.ShouldNotBeNull();
    }

    [Fact]
    public async Task L2_Who_left_before_a_loss_is_known_to_have_left_also_where_later_marks_were_heard()
    {
        await using var world = new World(World.OrdersApi with { HolderTtl = TimeSpan.FromDays(2) }, capacity: 5);
        var (a, b) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var one = (await world.PassAsync(b.AskAsync(World.Ask(0, 5)), Minute)).Grant!;
        await world.PassAsync(Second);
        b.Link.LosesSignals = true;
        b.Link.Cut();
        (await a.Holders.ReleaseAsync(World.Ask(0).Caller, one.Holder.Id, World.From, default)).ShouldBeNull();
        world.Flush();
        a.Link.Cut();
        b.Link.Mend();
        await world.PassAsync(Second); // it tells of its holder, and hears the marks of the new epoch
        a.Link.Mend();
        await world.PassAsync(20 * Second); // the other one tells that the holder left
        (await world.Ledger.Budgets.BudgetAsync("orders", [], default)).Granted.ShouldBe(0);

        b.Link.Cut();

        (await b.AskAsync(World.Ask(0, 5))).Grant.ShouldBeNull("it left before the loss");
    }
}
