using Broker.Core.Ledger;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>What is counted of holders that move from lease to lease, and of those that are put back.</summary>
public sealed class CountsOfMovingHoldersTests : LedgerSequence
{
    [Fact]
    public async Task L4_A_holder_that_moves_twice_keeps_both_logins_each_time_for_as_long_as_it_was_told()
    {
        await CountAsync(20);
        await ActiveAsync();
        var first = (await AskAsync(Claim(1, 5))).ShouldBeOfType<ClaimAnswer.Granted>().Lease;
        await RetireAsync(first);
        var second = await IssueAsync((await AskAsync(Claim(2, 1))).ShouldBeOfType<ClaimAnswer.Issue>(), "2");
        (await RenewAsync()).Lease.ShouldBe(second.Lease);
        await RetireAsync(second.Lease);
        await IssueAsync((await AskAsync(Claim(3, 1))).ShouldBeOfType<ClaimAnswer.Issue>(), "3");
        (await RenewAsync()).Lease.ShouldBe(second.Lease, "its first move is not over");

        Clock.Now += 61 * Second;
        await CountAsync(20);
        var third = await RenewAsync();
        third.Lease.ShouldNotBe(second.Lease);
        third.Overlap.ShouldNotBeNull();
    }

    [Fact]
    public async Task L8_A_ledger_that_was_emptied_counts_the_holders_of_a_replica_once()
    {
        await using var world = new World(capacity: 5);
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.AskAsync(World.Ask(0, 5)), Minute)).Grant.ShouldNotBeNull();
        world.Flush();
        await world.PassAsync(10 * Second);
        (await world.Ledger.Budgets.BudgetAsync(Database, ["orders-api"], Cancellation)).Granted.ShouldBe(5);
    }

    private async Task RetireAsync(string lease) => (await Ledger.Leases.MoveAsync(Database, lease, LeaseState.Retiring, "rotated", Cancellation)).ShouldBe(MoveAnswer.Moved);

    private async Task<ClaimAnswer.Granted> RenewAsync() =>
        (await AskAsync(Claim(1, 5) with { Kind = ClaimKind.Renew })).ShouldBeOfType<ClaimAnswer.Granted>();
}
