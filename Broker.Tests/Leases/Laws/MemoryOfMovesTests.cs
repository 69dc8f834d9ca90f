using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>A moving holder has connections of two leases open for a while, and is counted for both whatever the ledger loses.</summary>
public sealed class MemoryOfMovesTests : LedgerSequence
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task L2_What_a_moving_holder_may_have_open_on_its_former_lease_is_counted_after_a_loss(bool emptied)
    {
        await using var world = new World(capacity: 20);
        var (moving, _, copy) = await MoveAsync(world, await world.ReplicaAsync());
        world.Store.PutBack(emptied ? Broker.Core.Ledger.InProcess.InProcessLedgerStore.Empty() : copy);
        await world.PassAsync(8 * Second);
        (await CountAsync(world)).ShouldBe(8, "four on each lease, which both were promised for a minute");
        await world.PassAsync(Minute);
        (await CountAsync(world)).ShouldBe(4, $"the overlap of {moving.Overlap} is over");
    }

    [Fact]
    public async Task L4_The_former_lease_is_not_ended_under_who_moves_when_the_ledger_is_emptied()
    {
        await using var world = new World(capacity: 20);
        var (moving, former, _) = await MoveAsync(world, await world.ReplicaAsync());
        world.Flush();
        await world.PassAsync(40 * Second);
        world.Issuer.Users.ShouldContainKey(former.Credentials.Login.Username, $"it may be used for {moving.Overlap} beside the new one");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task L10_A_holder_that_left_amid_its_move_is_counted_for_neither_lease_after_a_loss(bool throughTheSame)
    {
        await using var world = new World(capacity: 20);
        var replica = await world.ReplicaAsync();
        var other = await world.ReplicaAsync();
        var (moving, _, copy) = await MoveAsync(world, replica);
        (await (throughTheSame ? replica : other).Holders.ReleaseAsync(World.Ask(0).Caller, moving.Holder.Id, World.From, default)).ShouldBeNull();
        await world.PassAsync(Second);
        world.Store.PutBack(copy);
        await world.PassAsync(8 * Second);
        (await CountAsync(world)).ShouldBe(0);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task L4_Who_is_answered_from_memory_is_told_to_come_again_before_its_former_lease_ends(bool away)
    {
        await using var world = new World(capacity: 20);
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0, 4)), Minute)).Grant!;
        grant.Holder.RenewAfterSeconds.ShouldBeGreaterThan(60);
        if (away) replica.Link.Cut();
        else world.Flush();
        (await world.PassAsync(replica.AskAsync(World.Ask(0, 4)), Second)).Grant.ShouldNotBeNull().Holder.RenewAfterSeconds.ShouldBeInRange(1, 30, "it may have been moved through another replica");
    }

    // Pod 0 has four connections, its lease is rotated, and it moves to the next one. The copy is from before the move.
    private static async Task<(Grant Moving, Grant Former, Broker.Core.Ledger.InProcess.Keyspace Copy)> MoveAsync(World world, World.Replica replica)
    {
        var former = (await world.PassAsync(replica.AskAsync(World.Ask(0, 4)), Minute)).Grant!;
        await world.PassAsync(replica.Leases.RotateAsync(World.Ask(0).Caller, "orders-api", "test", World.From, default).AsTask(), Minute);
        await world.LeaseAsync(lease => lease.Id != former.Lease.Id && lease.State == LeaseState.Active, Minute);
        var copy = world.Store.Copy();
        var moving = (await world.PassAsync(replica.RenewAsync(former), Minute)).Grant!;
        moving.Lease.Id.ShouldNotBe(former.Lease.Id);
        moving.Overlap.ShouldBe(SharedLedger.Overlap);
        return (moving, former, copy);
    }

    private static async Task<int> CountAsync(World world) => (await world.Ledger.Budgets.BudgetAsync(Database, [], default)).Granted;
}
