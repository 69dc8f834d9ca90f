using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Core.Model;
using Broker.Tests.Ledger;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>The later of two memories wins: no announced end comes earlier, and every promise is kept or counted.</summary>
public sealed class MemoryMergedTests : LedgerSequence
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task L4_A_lease_is_not_ended_while_a_replica_says_that_somebody_holds_it(bool laterFirst)
    {
        await CountAsync(100);
        // Replica A granted H on L1; H moved to L2 through B. The ledger is emptied.
        var memories = new[] { (Lease: "L1", Life: 0.7, Holder: Holder(1, "L1", 5, 10 * Minute, mark: 10)), (Lease: "L2", Life: 0.9, Holder: Holder(1, "L2", 5, 29 * Minute, mark: 20)) };
        foreach (var (lease, life, holder) in laterFirst ? memories.Reverse() : memories) await RestoreAsync(Remembered(lease, Hour * life), holder);
        Clock.Now += 6 * Second;
        (await Ledger.Leases.ExpireAsync(Database, "L2", 10 * Minute, Cancellation)).ShouldBeOfType<ExpireAnswer.Later>("H holds L2 for 29 minutes more");
        (await Ledger.Leases.LeaseAsync(Database, "L1", Cancellation))!.Holders.ShouldBe(0);
        (await GrantedAsync()).ShouldBe(5, "one holder, one promise");
    }

    [Theory]
    [InlineData(0.4, 0.9)]
    [InlineData(0.9, 0.4)]
    public async Task L4_Of_two_memories_of_a_leases_end_the_later_stands(double first, double second)
    {
        await RestoreAsync(Remembered("L", Hour * first), Holder(1, "L", 5, 10 * Minute, mark: 1));
        await RestoreAsync(Remembered("L", Hour * second), Holder(2, "L", 5, 40 * Minute, mark: 2));
        var lease = (await Ledger.Leases.LeaseAsync(Database, "L", Cancellation))!;
        (lease.ExpiresAt!.Value - Clock.Now).ShouldBeGreaterThanOrEqualTo(Hour * 0.9, "that end was announced");
    }

    [Theory]
    [InlineData(10, 40)]
    [InlineData(40, 10)]
    public async Task L4_Of_two_memories_of_one_promise_the_later_end_stands(int first, int second)
    {
        foreach (var minutes in new[] { first, second }) await RestoreAsync(Remembered("L", Hour), Holder(1, "L", 5, minutes * Minute, mark: 7));
        var holder = (await Ledger.Holders.HoldersAsync(Database, "L", 10, Cancellation)).ShouldHaveSingleItem();
        (holder.Connections, holder.EndsAt).ShouldBe((5, Clock.Now + (40 * Minute)));
    }

    [Fact]
    public async Task L8_A_holder_that_the_copy_has_as_waiting_and_a_replica_as_granted_stays_counted()
    {
        await CountAsync(10);
        await ActiveAsync();
        var other = (await AskAsync(Claim(1, 6) with { Pool = "p" })).ShouldBeOfType<ClaimAnswer.Issue>();
        var copy = Store.Copy();
        await IssueAsync(other);
        (await AskAsync(Claim(1, 6) with { Pool = "p" })).ShouldBeOfType<ClaimAnswer.Granted>();
        Store.PutBack(copy);
        var lease = Remembered(other.Lease, Hour * 0.9);
        (await RestoreAsync(lease with { Record = lease.Record with { Pool = "p" } }, Holder(1, other.Lease, 6, 25 * Minute, mark: long.MaxValue / 4096))).ShouldBe(1, "pod 1 was granted 6");
        Clock.Now += 11 * Second;
        await CountAsync(10);   // pod 1 has not opened its six yet
        (await GrantedAsync()).ShouldBe(7, "pod 0's and pod 1's");
        foreach (var known in await Ledger.Leases.LeasesAsync(Database, 10, Cancellation)) await Ledger.Leases.VerifiedAsync(Database, known.Id, Cancellation);
        (await AskAsync(Claim(2, 9))).ShouldBeOfType<ClaimAnswer.Exhausted>("3 of 10 are free");
        (await Ledger.Leases.LeaseAsync(Database, other.Lease, Cancellation))!.State.ShouldBe(LeaseState.Active, "a replica had given it out");
    }

    [Fact]
    public async Task L1_L5_A_ledger_that_fell_back_to_before_an_issue_began_keeps_the_user_that_the_lease_gives_out()
    {
        await CountAsync(100);
        var first = (await AskAsync(Claim(0, 1))).ShouldBeOfType<ClaimAnswer.Issue>();
        var copy = Store.Copy();
        var go = (await Ledger.Issues.BeginAsync(Database, first.Lease, first.Fence, "user-A", Fast, Cancellation)).ShouldBeOfType<BeginAnswer.Go>();
        Store.PutBack(copy); // A asks the issuer, which is slow; its begin is lost, and A stands still for 4 s
        Clock.Now += 4.5 * Second;
        var other = AnotherReplica();
        var second = (await AskAsync(Claim(0, 1), other)).ShouldBeOfType<ClaimAnswer.Issue>();
        second.Lease.ShouldBe(first.Lease);
        var began = (await other.Issues.BeginAsync(Database, second.Lease, second.Fence, "user-B", Fast, Cancellation)).ShouldBeOfType<BeginAnswer.Go>();
        (await other.Issues.IssuedAsync(Database, second.Lease, second.Fence, "ref-B", "user-B", "sealed", Hour, began.Now, true, Cancellation)).ShouldBeTrue();
        (await other.Issues.ActivateAsync(Database, second.Lease, second.Fence, 5 * Minute, 0.5, null, Cancellation)).ShouldBeTrue();
        (await AskAsync(Claim(0, 1), other)).ShouldBeOfType<ClaimAnswer.Granted>();

        (await Ledger.Issues.IssuedAsync(Database, first.Lease, first.Fence, "ref-A", "user-A", "sealed-A", Hour, go.Now, true, Cancellation)).ShouldBeFalse();
        var lease = (await Ledger.Leases.LeaseAsync(Database, first.Lease, Cancellation))!;
        (lease.State, lease.Username, lease.IssuerId, lease.SealedLogin).ShouldBe((LeaseState.Active, "user-B", "ref-B", "sealed"), "the lease gives out B's login");
        var late = (await Ledger.Leases.LeasesAsync(Database, 10, Cancellation)).Single(known => known.Username == "user-A");
        (late.State, late.IssuerId, late.Role).ShouldBe((LeaseState.Unknown, "ref-A", "r"), "what A made is on its way to be revoked");
    }

    [Theory]
    [InlineData(0.7)]
    [InlineData(11)]
    public async Task L4_A_ledger_that_fell_back_to_before_a_move_does_not_end_the_lease_that_was_moved_to(double minutes)
    {
        await using var world = new World(World.OrdersApi with { IdleTtl = minutes < 1 ? 10 * Second : World.OrdersApi.IdleTtl });
        var replica = await world.ReplicaAsync();
        var first = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        var copy = world.Store.Copy();
        await world.PassAsync(replica.Leases.RotateAsync(World.Ask(0).Caller, "orders-api", "test", World.From, default).AsTask(), Minute);
        await world.LeaseAsync(lease => lease.Id != first.Lease.Id && lease.State == LeaseState.Active, Minute);
        var second = (await world.PassAsync(replica.RenewAsync(first), Minute)).Grant!;
        second.Lease.Id.ShouldNotBe(first.Lease.Id);
        world.Store.PutBack(copy);
        await world.PassAsync(replica.AskAsync(World.Ask(7)), Minute);
        await world.PassAsync(minutes * Minute);
        world.Issuer.Users.ShouldContainKey(second.Credentials.Login.Username, $"pod 0 holds it until {second.Holder.ExpiresAt}");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task L4_A_ledger_that_fell_back_to_while_a_lease_was_issued_does_not_drop_its_user(bool somebodyAsks)
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        Keyspace? copy = null;
        world.Issuer.After = () =>
        {
            copy ??= world.Store.Copy();
            return Task.CompletedTask;
        };
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        await world.PassAsync(Second);
        world.Store.PutBack(copy!);
        if (somebodyAsks) await world.PassAsync(replica.AskAsync(World.Ask(1)), Minute);
        await world.PassAsync(40 * Second);
        world.Issuer.Users.ShouldContainKey(grant.Credentials.Login.Username, $"pod 0 holds it until {grant.Holder.ExpiresAt}");
    }

    [Fact]
    public async Task L2_L4_A_holder_that_only_moved_is_not_dropped_by_a_replica_that_heard_of_the_move()
    {
        await CountAsync(100);
        // The ledger fell back to before H moved from L1 to L2; the replica that moved it is dead, another one heard of it.
        await RestoreAsync(Remembered("L1", Hour * 0.7), Holder(1, "L1", 5, 10 * Minute, mark: 10));

        await LeftAsync(new(Id(1), 20, Stays: true));

        (await GrantedAsync()).ShouldBe(5, "it has five connections open, on whichever lease");
        await RestoreAsync(Remembered("L2", Hour * 0.9), Holder(1, "L2", 5, 29 * Minute, mark: 20));
        (await Ledger.Holders.HoldersAsync(Database, "L2", 10, Cancellation)).ShouldHaveSingleItem().Connections.ShouldBe(5);
        (await GrantedAsync()).ShouldBe(5);
    }

    [Fact]
    public async Task L10_A_holder_that_left_is_dropped_by_a_replica_that_heard_of_it()
    {
        await CountAsync(100);
        await RestoreAsync(Remembered("L1", Hour * 0.7), Holder(1, "L1", 5, 10 * Minute, mark: 10));

        await LeftAsync(new(Id(1), 20, Stays: false));

        (await GrantedAsync()).ShouldBe(0);
    }

    private ValueTask<int> LeftAsync(GoneHolder gone) => Ledger.Leases.RestoreAsync(Database, "1", [], [], [gone], 0.5, "put back", Cancellation);

    private static RememberedHolder Holder(int pod, string lease, int connections, TimeSpan endsIn, long mark) => new(Id(pod), lease, connections, endsIn, mark, "c");

    private static RememberedLease Remembered(string id, TimeSpan endsIn) => RememberedLeases.Active(id, Database, DateTimeOffset.UnixEpoch, Terms, endsIn);

    private ValueTask<int> RestoreAsync(RememberedLease lease, params RememberedHolder[] holders) =>
        Ledger.Leases.RestoreAsync(Database, "1", [lease], holders, [], 0.5, "put back", Cancellation);
}
