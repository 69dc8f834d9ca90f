using Broker.Core.Issuing;
using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>A loss of the ledger does not make issuing faster (law L12).</summary>
public sealed class MemoryOfPaceTests : LedgerSequence
{
    [Fact]
    public async Task L12_How_far_issuing_ran_ahead_of_its_pace_is_remembered()
    {
        var pace = Slow with { UsersPerSecond = 0.1 };
        await CountAsync(100);
        var first = (await AskAsync(Claim(0, 1), pace: pace)).ShouldBeOfType<ClaimAnswer.Issue>();
        (await Ledger.Issues.BeginAsync(Database, first.Lease, first.Fence, "u1", pace, Cancellation)).ShouldBeOfType<BeginAnswer.Go>();
        await LoseAsync();
        var second = (await AskAsync(Claim(0, 1), pace: pace)).ShouldBeOfType<ClaimAnswer.Issue>();
        (await Ledger.Issues.BeginAsync(Database, second.Lease, second.Fence, "u2", pace, Cancellation))
            .ShouldBeOfType<BeginAnswer.NotYet>("one in ten seconds, and six have passed").Wait.ShouldBe(4 * Second);
    }

    [Fact]
    public async Task L12_A_pool_that_pauses_after_a_failure_goes_on_pausing()
    {
        await CountAsync(100);
        await FailAsync(30 * Second);
        await LoseAsync();
        var said = (await AskAsync(Claim(0, 1))).ShouldBeOfType<ClaimAnswer.Failed>();
        (said.RetryIn, said.Why).ShouldBe((24 * Second, "down"));
        Clock.Now += 24 * Second;
        await CountAsync(100);
        await FailAsync(30 * Second);
        (await AskAsync(Claim(0, 1))).ShouldBeOfType<ClaimAnswer.Failed>().RetryIn.ShouldBe(60 * Second, "it failed twice in a row");
    }

    [Fact]
    public async Task L12_A_pause_that_is_over_is_not_put_back()
    {
        await CountAsync(100);
        await FailAsync(2 * Second);
        await LoseAsync();
        (await AskAsync(Claim(0, 1))).ShouldBeOfType<ClaimAnswer.Issue>();
    }

    [Fact]
    public async Task L12_Whole_brokers_do_not_ask_an_issuer_that_fails_sooner_because_the_ledger_was_emptied()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        world.Issuer.Failure = new(IssuerFailure.Unavailable, "down", 40 * Second);
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Refusal!.Code.ShouldBe(RefusalCode.IssuerUnavailable);
        world.Issuer.Asked.Count.ShouldBe(1);
        world.Flush();
        for (var i = 0; i < 3; i++)
        {
            await world.PassAsync(8 * Second);
            (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Refusal!.Code.ShouldBe(RefusalCode.IssuerUnavailable);
        }

        world.Issuer.Asked.Count.ShouldBe(1, "it is to be left alone for forty seconds");
    }

    private async Task FailAsync(TimeSpan pause)
    {
        var order = (await AskAsync(Claim(0, 1))).ShouldBeOfType<ClaimAnswer.Issue>();
        (await Ledger.Issues.BeginAsync(Database, order.Lease, order.Fence, "u", Fast, Cancellation)).ShouldBeOfType<BeginAnswer.Go>();
        await Ledger.Issues.FailAsync(Database, order.Lease, order.Fence, false, "down", pause, Cancellation);
    }

    // The ledger is emptied, told what the replica remembers, and six seconds pass.
    private async Task LoseAsync()
    {
        Store.PutBack(InProcessLedgerStore.Empty());
        await Ledger.Leases.RestoreAsync(Database, "1", [], [], [], 0.5, "put back", Cancellation, Ledger.Issues.MemoryOf(Database));
        Clock.Now += 6 * Second;
        await CountAsync(100);
    }
}
