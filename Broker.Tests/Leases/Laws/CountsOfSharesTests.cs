using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>A caller's or team's share counts what its holders really have.</summary>
public sealed class CountsOfSharesTests : LedgerSequence
{
    private static readonly Share[] Twenty = [new("caller:x", 0, 20)];
    private readonly ShareLedger shares;

    public CountsOfSharesTests() => shares = new(Store);

    [Theory]
    [InlineData(5, 15)]
    [InlineData(15, 5)]
    public async Task L2_Of_two_memories_of_a_part_the_larger_counts_whoever_tells_first(int through, int throughAnother)
    {
        await SettledAsync();
        var another = new ShareLedger(Store);
        await TakeAsync(1, through, through);
        await SettleAsync(1, through);
        await another.TakeAsync(Id(1), throughAnother, throughAnother, 30 * Minute, Twenty, Cancellation);
        await another.SettleAsync(Id(1), throughAnother, 30 * Minute, Twenty, Cancellation);
        Store.PutBack(InProcessLedgerStore.Empty());
        await shares.KeepAsync(Cancellation);
        await another.KeepAsync(Cancellation);
        Clock.Now += 10 * Second;
        (await TakeAsync(2, 15, 15)).Full.ShouldNotBeNull("pod 1 may have 15 of 20").Connections.ShouldBe(15);
        (await TakeAsync(2, 5, 5)).Connections.ShouldBe(5);
    }

    [Fact]
    public async Task L2_A_replica_that_knows_nothing_is_given_no_part_of_an_emptied_ledger_before_the_others_have_told()
    {
        await SettledAsync();
        await TakeAsync(1, 20, 20);
        Store.PutBack(InProcessLedgerStore.Empty());
        var later = new ShareLedger(Store);
        (await later.TakeAsync(Id(2), 20, 20, 30 * Minute, Twenty, Cancellation)).Full.ShouldNotBeNull("others may still tell");
        await shares.KeepAsync(Cancellation);
        Clock.Now += 10 * Second;
        (await later.TakeAsync(Id(2), 20, 20, 30 * Minute, Twenty, Cancellation)).Full.ShouldNotBeNull().Connections.ShouldBe(20);
    }

    [Fact]
    public async Task A_renewal_that_asks_for_less_does_not_let_others_into_what_its_holder_has()
    {
        await SettledAsync();
        (await TakeAsync(1, 20, 20)).Connections.ShouldBe(20);
        await SettleAsync(1, 20);
        await TakeAsync(1, 5, 1);                                       // a renewal asks for the role's default
        (await TakeAsync(2, 15, 15)).Full.ShouldNotBeNull("the caller has 20 of 20");
        await SettleAsync(1, 20);
        (await TakeAsync(2, 1, 1)).Full.ShouldNotBeNull();
    }

    [Fact]
    public async Task A_renewal_whose_answer_is_lost_keeps_what_its_holder_has()
    {
        await SettledAsync();
        await TakeAsync(1, 20, 20);
        await SettleAsync(1, 20);
        await TakeAsync(1, 5, 1);
        Clock.Now += Minute;
        (await TakeAsync(2, 15, 15)).Full.ShouldNotBeNull();
    }

    [Fact]
    public async Task An_ask_does_not_look_through_all_that_is_remembered()
    {
        var stopwatch = new CountedStopwatch();
        var many = new ShareLedger(Store, stopwatch);
        for (var pod = 0; pod < 1_000; pod++) await many.TakeAsync(Id(pod), 1, 1, 30 * Minute, [new("caller:" + pod, 0, 20)], Cancellation);
        stopwatch.Reads.ShouldBeLessThan(10_000);
    }

    // A ledger that is new gives nobody a part until those who remember some would have said so.
    private async Task SettledAsync()
    {
        await new ShareLedger(Store).KeepAsync(Cancellation);
        Clock.Now += DutyLedger.Settling;
    }

    private ValueTask<(int Connections, ShareFull? Full)> TakeAsync(int pod, int want, int least) =>
        shares.TakeAsync(Id(pod), want, least, 30 * Minute, Twenty, Cancellation);

    private ValueTask SettleAsync(int pod, int got) => shares.SettleAsync(Id(pod), got, 30 * Minute, Twenty, Cancellation);

    private sealed class CountedStopwatch : TimeProvider
    {
        public int Reads { get; private set; }

        public override long GetTimestamp()
        {
            Reads++;
            return base.GetTimestamp();
        }
    }
}
