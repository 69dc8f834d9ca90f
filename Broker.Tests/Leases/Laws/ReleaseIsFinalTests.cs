using Broker.Core.Ledger;
using Broker.Tests.Ledger;
using LoadTests.FromInside.Simulation;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>A claim that was sent before a release, and is carried out after it, brings nothing back (L10).</summary>
public sealed class ReleaseIsFinalTests : LedgerSequence
{
    [Fact]
    public async Task L10_A_claim_that_was_under_way_when_its_holder_was_released_is_late()
    {
        await CountAsync(10);
        await ActiveAsync();
        var other = AnotherReplica();
        (await AskAsync(Claim(1, 5), other)).ShouldBeOfType<ClaimAnswer.Granted>();
        await Ledger.Holders.ReleaseAsync(Database, Id(1), Cancellation);
        (await AskAsync(Claim(1, 5), other)).ShouldBeOfType<ClaimAnswer.Late>("its replica cannot know of the release");
        (await GrantedAsync()).ShouldBe(1);
    }

    [Fact]
    public async Task A_caller_that_asks_again_knowing_of_the_release_is_served()
    {
        await CountAsync(10);
        await ActiveAsync();
        var other = AnotherReplica();
        (await AskAsync(Claim(1, 5), other)).ShouldBeOfType<ClaimAnswer.Granted>();
        await Ledger.Holders.ReleaseAsync(Database, Id(1), Cancellation);
        await AskAsync(Claim(1, 5), other);
        (await AskAsync(Claim(1, 5), other)).ShouldBeOfType<ClaimAnswer.Granted>();
        await Ledger.Holders.ReleaseAsync(Database, Id(1), Cancellation);
        (await AskAsync(Claim(1, 5))).ShouldBeOfType<ClaimAnswer.Granted>("the replica that released it knows");
    }

    [Fact]
    public async Task L10_A_claim_older_than_a_release_is_late_although_its_holder_does_not_exist()
    {
        await CountAsync(10);
        await ActiveAsync();
        var other = AnotherReplica();
        await AskAsync(Claim(0, 1), other);
        await Ledger.Holders.ReleaseAsync(Database, Id(1), Cancellation);
        (await AskAsync(Claim(1, 5), other)).ShouldBeOfType<ClaimAnswer.Late>();
    }

    [Fact]
    public async Task A_pod_that_comes_back_at_once_through_another_replica_is_served()
    {
        await using var world = new World(capacity: 5);
        var (a, b) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var grant = (await world.PassAsync(a.AskAsync(World.Ask(0, 5)), Minute)).Grant!;
        (await a.Holders.ReleaseAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default)).ShouldBeNull();
        (await world.PassAsync(b.AskAsync(World.Ask(0, 5)), Minute)).Grant.ShouldNotBeNull();
    }

    [Fact]
    public async Task A_replica_that_has_just_started_serves_who_was_released_before()
    {
        await CountAsync(10);
        await ActiveAsync();
        await Ledger.Holders.ReleaseAsync(Database, Id(0), Cancellation);
        (await AskAsync(Claim(0, 1), AnotherReplica())).ShouldBeOfType<ClaimAnswer.Granted>();
    }

    [Fact]
    public async Task L2_A_release_that_nobody_waits_for_any_more_ends_nobody()
    {
        await CountAsync(10);
        await ActiveAsync();
        var until = Clock.Now + (4 * Second);
        Clock.Now += 10 * Second; // the ledger stood still, and its holder has come again through another replica

        await Should.ThrowAsync<LedgerException>(Ledger.Holders.ReleaseAsync(Database, Id(0), Cancellation, until).AsTask());

        (await GrantedAsync()).ShouldBe(1);
        (await Ledger.Holders.ReleaseAsync(Database, Id(0), Cancellation, Clock.Now + (4 * Second))).Had.ShouldNotBeNull();
    }

    [Fact]
    public async Task L10_What_a_holder_had_beside_its_lease_leaves_with_it()
    {
        await CountAsync(10);
        await Ledger.Holders.ReleaseAsync(Database, Id(1), Cancellation); // the ledger has lost its move

        var beside = new RememberedHolder(Id(1) + "~", "L", 5, Minute, 5, "c");
        await Ledger.Leases.RestoreAsync(Database, "1", [RememberedLeases.Active("L", Database, DateTimeOffset.UnixEpoch, Terms, Hour)], [beside], [], 0.5, "put back", Cancellation);

        (await GrantedAsync()).ShouldBe(0);
    }

    [Theory]
    [InlineData(952219)]
    [InlineData(41000224)]
    public void L10_Worlds_in_which_it_was_broken(long seed) => Simulation.Run(PlanMaker.Make(seed), keepTrace: false).Broken.ShouldBeNull();
}
