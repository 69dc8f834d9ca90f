using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Tests.Ledger;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>The sizes that holders accept survive a loss of the ledger, and a restarted process is bound by what its predecessor may just have said.</summary>
public sealed class MemoryOfSizesTests : LedgerSequence
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task L8_What_a_holder_accepts_is_known_again_when_any_replica_was_told_it(bool whoKnowsFirst)
    {
        // A was told of 1 to 9 connections; B answered it later, and was told of no more than that it has 5.
        var memories = new[] { Holder(1, 25, mark: 10) with { Range = "1:9:7:r" }, Holder(1, 29, mark: 20) };
        foreach (var memory in whoKnowsFirst ? memories : memories.Reverse())
            await Ledger.Leases.RestoreAsync(Database, "1", [RememberedLeases.Active("L", Database, DateTimeOffset.UnixEpoch, Terms, Hour)], [memory], [], 0.5, "put back", Cancellation);
        Clock.Now += 10 * Second;
        await CountAsync(50);
        (await GrantedAsync()).ShouldBe(5);
        var grown = (await AskAsync(Claim(1, 9) with { Kind = ClaimKind.Renew, Allotment = 7 })).ShouldBeOfType<ClaimAnswer.Granted>();
        (grown.Connections, grown.DownTo).ShouldBe((9, null));
    }

    [Fact]
    public async Task L2_A_process_that_begins_anew_opens_no_more_than_its_predecessor_may_just_have_confirmed()
    {
        await CountAsync(20);
        await ActiveAsync();
        var greedy = Claim(1, 19) with { Least = 1 };
        (await AskAsync(greedy)).ShouldBeOfType<ClaimAnswer.Granted>().Connections.ShouldBe(19);
        await FollowAsync(0);
        (await AskAsync(InLine(2, 5))).ShouldBeOfType<ClaimAnswer.InLine>();
        var asked = await FollowAsync(0);
        (asked.Connections, asked.DownTo).ShouldBe((19, 14));

        // It closes what is too many, sends its word, and ends; another process of the pod claims, and then that word arrives.
        var anew = (await AskAsync(greedy)).ShouldBeOfType<ClaimAnswer.Granted>();
        (anew.Size, anew.Connections, anew.Allotment).ShouldBe((14, 19, null));
        await FollowAsync(asked.Allotment!.Value);
        (await AskAsync(InLine(2, 5))).ShouldBeOfType<ClaimAnswer.Granted>().Connections.ShouldBe(5);
        (await AskAsync(greedy)).ShouldBeOfType<ClaimAnswer.Granted>().Connections.ShouldBe(14);

        async Task<ClaimAnswer.Granted> FollowAsync(long allotment) =>
            (await AskAsync(greedy with { Kind = ClaimKind.Renew, Allotment = allotment })).ShouldBeOfType<ClaimAnswer.Granted>();
    }

    [Fact]
    public async Task L8_A_shared_text_is_put_back_by_whoever_knows_it_though_nobody_asks_for_it()
    {
        var (a, b) = (AnotherReplica(), AnotherReplica());
        (await a.Texts.ReplaceSharedAsync("ceiling:orders", null, "10", Cancellation)).ShouldBeTrue();
        Store.PutBack(InProcessLedgerStore.Empty());
        (await b.Texts.ReadSharedAsync("ceiling:orders", Cancellation)).ShouldBeNull("B has never read it");
        await a.Texts.PutBackAsync(Cancellation);
        (await b.Texts.ReadSharedAsync("ceiling:orders", Cancellation))!.Value.Text.ShouldBe("10");
    }

    private static RememberedHolder Holder(int pod, int minutes, long mark) => new(Id(pod), "L", 5, minutes * Minute, mark, "c");
}
