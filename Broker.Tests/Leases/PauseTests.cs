using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>Roles that an operator pauses, drains and resumes.</summary>
public sealed class PauseTests
{
    private const string Reason = "the orders database moves to a new disk";
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task Nobody_new_gets_a_paused_role_on_any_replica_and_who_holds_it_renews()
    {
        await using var world = new World();
        var (a, b) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var held = (await world.PassAsync(a.AskAsync(World.Ask(0)), Minute)).Grant.ShouldNotBeNull();

        (await OrderAsync(a, RoleState.Paused)).ShouldBeNull();

        (await b.AskAsync(World.Ask(1))).Refusal.ShouldNotBeNull().ShouldSatisfyAllConditions(
            refusal => refusal.Code.ShouldBe(RefusalCode.RolePaused), refusal => refusal.Detail.ShouldContain(Reason), refusal => refusal.RetryAfter.ShouldNotBeNull());
        (await b.AskAsync(World.Ask(0))).Grant.ShouldNotBeNull().Holder.Id.ShouldBe(held.Holder.Id, "who holds it and asks again has it (law L11)");
        await world.PassAsync(Minute);
        (await b.RenewAsync(held)).Grant.ShouldNotBeNull().Holder.ExpiresAt.ShouldBeGreaterThan(held.Holder.ExpiresAt);

        (await OrderAsync(b, RoleState.Open)).ShouldBeNull();
        (await a.AskAsync(World.Ask(1))).Grant.ShouldNotBeNull();
        a.Audit.Records.Concat(b.Audit.Records).Where(record => record is { Action: Core.Audit.AuditAction.Pause, Outcome: Core.Audit.AuditOutcome.Granted })
            .Select(record => (record.Role, record.Reason)).ShouldBe([("orders-api", Reason), ("orders-api", Reason)]);
    }

    [Fact]
    public async Task Of_a_drained_role_nobody_has_more_time_and_it_is_empty_in_the_end()
    {
        await using var world = new World();
        var a = await world.ReplicaAsync();
        var held = (await world.PassAsync(a.AskAsync(World.Ask(0)), Minute)).Grant.ShouldNotBeNull();

        (await OrderAsync(a, RoleState.Draining)).ShouldBeNull();

        await world.PassAsync(20 * Minute);
        (await a.RenewAsync(held)).Refusal.ShouldNotBeNull().ShouldSatisfyAllConditions(
            refusal => refusal.Code.ShouldBe(RefusalCode.RolePaused), refusal => refusal.Detail.ShouldContain("drained"), refusal => refusal.Detail.ShouldContain(Reason));
        (await a.AskAsync(World.Ask(0))).Grant.ShouldNotBeNull().Holder.ExpiresAt.ShouldBe(held.Holder.ExpiresAt, TimeSpan.FromSeconds(1), "it is as it was");
        (await a.Holders.StayAsync(World.Ask(0).Caller, held.Holder.Id, World.From, default)).Grant.ShouldNotBeNull().Holder.ExpiresAt
            .ShouldBe(held.Holder.ExpiresAt, TimeSpan.FromSeconds(1), "nor does staying give more time");
        (await a.AskAsync(World.Ask(1))).Refusal!.Code.ShouldBe(RefusalCode.RolePaused);
        (await a.Budgets.FindRoleAsync("orders-api", default)).ShouldNotBeNull().Use.Holders.ShouldBe(1);
        await world.PassAsync(15 * Minute);
        (await a.Budgets.FindRoleAsync("orders-api", default)).ShouldNotBeNull().Use.Holders.ShouldBe(0);
        (await world.LeasesAsync()).ShouldAllBe(lease => lease.State != LeaseState.Active || lease.Holders == 0);
    }

    [Fact]
    public async Task A_caller_in_line_is_told_at_once_and_gets_nothing_when_room_comes()
    {
        await using var world = new World(World.OrdersApi with { Connections = new() { Default = 1, Max = 20 } }, capacity: 10);
        var a = await world.ReplicaAsync();
        var full = (await world.PassAsync(a.AskAsync(World.Ask(0, 10)), Minute)).Grant.ShouldNotBeNull();
        var waits = a.AskAsync(World.Ask(1, 5, wait: Minute));
        await world.PassAsync(() => a.Budgets.ReadAsync("orders", default).AsTask().GetAwaiter().GetResult()!.Record.Waiting == 1, Minute);

        (await OrderAsync(a, RoleState.Paused)).ShouldBeNull();

        (await world.PassAsync(waits, TimeSpan.FromSeconds(5))).Refusal.ShouldNotBeNull().Code.ShouldBe(RefusalCode.RolePaused);
        (await a.Holders.ReleaseAsync(World.Ask(0).Caller, full.Holder.Id, World.From, default)).ShouldBeNull();
        var budget = (await a.Budgets.ReadAsync("orders", default)).ShouldNotBeNull();
        (budget.Record.Granted, budget.Record.Waiting).ShouldBe((0, 0));
    }

    [Fact]
    public async Task L8_An_order_is_in_force_after_the_ledger_was_emptied()
    {
        await using var world = new World();
        var a = await world.ReplicaAsync();
        (await world.PassAsync(a.AskAsync(World.Ask(0)), Minute)).Grant.ShouldNotBeNull();
        (await OrderAsync(a, RoleState.Paused)).ShouldBeNull();

        world.Flush();

        for (var pod = 1; pod < 6; pod++)
        {
            (await world.PassAsync(a.AskAsync(World.Ask(pod)), Minute)).Refusal.ShouldNotBeNull().Code.ShouldBeOneOf(RefusalCode.RolePaused, RefusalCode.DatabaseUnavailable);
            await world.PassAsync(TimeSpan.FromSeconds(5));
        }

        (await a.AskAsync(World.Ask(9))).Refusal.ShouldNotBeNull().ShouldSatisfyAllConditions(
            refusal => refusal.Code.ShouldBe(RefusalCode.RolePaused), refusal => refusal.Detail.ShouldContain(Reason));
    }

    [Fact]
    public async Task L14_A_writer_in_the_ledger_takes_no_order_back()
    {
        await using var world = new World();
        var a = await world.ReplicaAsync();
        (await OrderAsync(a, RoleState.Paused)).ShouldBeNull();

        (await world.Ledger.Budgets.PauseAsync("orders", 1L << 52, [], true, default)).ShouldBeTrue();
        await world.PassAsync(Minute);
        (await a.AskAsync(World.Ask(0))).Refusal.ShouldNotBeNull().Code.ShouldBe(RefusalCode.RolePaused, "it is written again from what is sealed");

        var (text, _) = (await world.Ledger.Texts.ReadSharedAsync("pauses:orders", default)).ShouldNotBeNull();
        (await world.Ledger.Texts.ReplaceSharedAsync("pauses:orders", text, "[]", default)).ShouldBeTrue();
        await world.PassAsync(Minute);
        (await a.AskAsync(World.Ask(0))).Refusal.ShouldNotBeNull("a text that no broker sealed is no order: nothing is promised until an operator has given one");
        (await OrderAsync(a, RoleState.Open)).ShouldBeNull();
        await world.PassAsync(Minute);
        (await world.PassAsync(a.AskAsync(World.Ask(0)), Minute)).Grant.ShouldNotBeNull();
    }

    [Fact]
    public async Task A_replica_that_read_earlier_orders_does_not_write_them_over_later_ones()
    {
        await using var world = new World();
        var a = await world.ReplicaAsync();
        (await world.Ledger.Budgets.PauseAsync("orders", 7, [new("orders-api", RoleState.Paused)], false, default)).ShouldBeTrue();

        (await world.Ledger.Budgets.PauseAsync("orders", 6, [], false, default)).ShouldBeFalse();

        (await a.AskAsync(World.Ask(0))).Refusal.ShouldNotBeNull().Code.ShouldBe(RefusalCode.RolePaused);
    }

    [Fact]
    public async Task A_lease_tells_the_operators_own_reason()
    {
        await using var world = new World();
        var a = await world.ReplicaAsync();
        (await world.PassAsync(a.AskAsync(World.Ask(0)), Minute)).Grant.ShouldNotBeNull();

        (await a.Leases.RotateAsync(World.Ask(0).Caller, "orders-api", "a leaked password", World.From, default)).ShouldBeNull();

        (await world.LeaseAsync(lease => lease.State == LeaseState.Retiring, Minute)).Reason.ShouldEndWith(": a leaked password");
    }

    private static async Task<Refusal?> OrderAsync(World.Replica replica, RoleState state) =>
        await replica.Pauses.SetAsync(World.Ask(99).Caller, "orders-api", state, Reason, World.From, default);
}
