using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Core.Model;
using Microsoft.Extensions.Time.Testing;
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
        await another.TakeAsync(Id(1), throughAnother, throughAnother, 30 * Minute, within: Minute, Twenty, Cancellation);
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
        await Should.ThrowAsync<LedgerException>(async () => await later.TakeAsync(Id(2), 20, 20, 30 * Minute, within: Minute, Twenty, Cancellation), "others may still tell");
        await shares.KeepAsync(Cancellation);
        Clock.Now += 10 * Second;
        (await later.TakeAsync(Id(2), 20, 20, 30 * Minute, within: Minute, Twenty, Cancellation)).Full.ShouldNotBeNull().Connections.ShouldBe(20);
    }

    [Fact]
    public async Task L2_A_part_that_stayed_when_a_release_came_late_is_told_to_a_ledger_that_lost_it()
    {
        await SettledAsync();
        await TakeAsync(1, 20, 20);
        await SettleAsync(1, 20);
        var seen = await shares.VersionAsync(Id(1), Twenty[0].Name, Cancellation);
        await TakeAsync(1, 20, 20);
        await SettleAsync(1, 20);
        await shares.LeaveAsync(Id(1), seen, Twenty, Cancellation);

        Store.PutBack(InProcessLedgerStore.Empty());
        await shares.KeepAsync(Cancellation);
        Clock.Now += 10 * Second;

        (await TakeAsync(2, 1, 1)).Full.ShouldNotBeNull("the first has 20 of 20").Connections.ShouldBe(20);
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
    public async Task L4_A_holder_keeps_what_it_has_when_its_share_shrinks()
    {
        await SettledAsync();
        foreach (var (pod, connections) in new[] { (1, 12), (2, 8) })
        {
            await TakeAsync(pod, connections, connections);
            await SettleAsync(pod, connections);
        }

        Share[] ten = [new("caller:x", 0, 10)];
        (await shares.TakeAsync(Id(1), 20, 12, 30 * Minute, within: Minute, ten, Cancellation)).ShouldBe((12, null), "it has them");
        (await shares.TakeAsync(Id(2), 8, 1, 30 * Minute, within: Minute, ten, Cancellation)).ShouldBe((8, null));
        (await shares.TakeAsync(Id(2), 9, 9, 30 * Minute, within: Minute, ten, Cancellation)).Full.ShouldNotBeNull("more than it has");
        (await shares.TakeAsync(Id(3), 1, 1, 30 * Minute, within: Minute, ten, Cancellation)).Full.ShouldNotBeNull().Connections.ShouldBe(20);
    }

    [Fact]
    public async Task L8_Who_asks_while_a_share_is_told_is_not_told_that_it_has_holders_to_release()
    {
        await using var world = new World();
        world.Catalog.Current = world.Catalog.Current with { Identity = world.Catalog.Current.Identity with { Callers = new() { Connections = 20 } } };
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.AskAsync(World.Ask(1, 5)), Minute)).Grant.ShouldNotBeNull();
        var later = await world.ReplicaAsync();

        world.Flush();

        var refusal = (await later.AskAsync(World.Ask(2, 5))).Refusal.ShouldNotBeNull();
        (refusal.Code, refusal.RetryAfter > TimeSpan.Zero).ShouldBe((RefusalCode.LedgerUnavailable, true));
        (await replica.AskAsync(World.Ask(1, 5))).Grant.ShouldNotBeNull("it holds them, and the replica remembers that");
        (await world.PassAsync(later.AskAsync(World.Ask(2, 5, wait: 20 * Second)), Minute)).Refusal?.Code.ShouldBe(RefusalCode.LedgerUnavailable);
        await world.PassAsync(10 * Second);
        (await world.PassAsync(later.AskAsync(World.Ask(2, 5, wait: 20 * Second)), Minute)).Grant.ShouldNotBeNull();
    }

    [Fact]
    public async Task L8_A_part_of_a_holder_that_was_released_through_another_replica_is_not_told_to_a_ledger_that_lost_it()
    {
        await SettledAsync();
        using var another = new ShareLedger(Store);
        await HoldAsync(another, 1, 20);
        await HoldAsync(shares, 1, 20);
        await shares.LeaveAsync(Id(1), await shares.VersionAsync(Id(1), Twenty[0].Name, Cancellation), Twenty, Cancellation);

        await LoseAsync(another);

        (await TakeAsync(2, 20, 20)).ShouldBe((20, null), "nobody has any");
    }

    [Fact]
    public async Task L8_A_part_of_a_holder_that_came_again_after_its_release_is_told_to_a_ledger_that_lost_it()
    {
        await SettledAsync();
        using var another = new ShareLedger(Store, hasLeft: static (_, _) => false);
        await HoldAsync(another, 1, 20);
        await shares.LeaveAsync(Id(1), await shares.VersionAsync(Id(1), Twenty[0].Name, Cancellation), Twenty, Cancellation);
        await HoldAsync(another, 1, 15);

        await LoseAsync(another);

        (await TakeAsync(2, 20, 20)).Full.ShouldNotBeNull().Connections.ShouldBe(15);
    }

    [Fact]
    public async Task L8_A_part_of_a_holder_that_is_known_to_have_left_is_not_told_though_the_signal_was_lost()
    {
        await SettledAsync();
        using var another = new ShareLedger(new CuttableStore(Store) { LosesSignals = true }, hasLeft: static (holder, _) => holder == Id(1));
        await HoldAsync(another, 1, 5);
        await HoldAsync(another, 2, 5);
        await another.TakeAsync(Id(3), 5, 5, 30 * Minute, within: Minute, Twenty, Cancellation);

        await LoseAsync(another);

        (await TakeAsync(4, 11, 11)).Full.ShouldNotBeNull().Connections.ShouldBe(10, "the second holds, and the third asks");
    }

    [Fact]
    public async Task L8_A_released_holder_is_not_counted_again_when_another_replica_tells_what_it_remembers()
    {
        await using var world = new World();
        world.Catalog.Current = world.Catalog.Current with { Identity = world.Catalog.Current.Identity with { Callers = new() { Connections = 20 } } };
        var (a, b) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        a.Link.LosesSignals = true;
        var grant = (await world.PassAsync(a.AskAsync(World.Ask(1, 20)), Minute)).Grant.ShouldNotBeNull();
        (await b.Holders.ReleaseAsync(World.Ask(1).Caller, grant.Holder.Id, World.From, default)).ShouldBeNull();
        await world.PassAsync(2 * Second);

        world.Flush();
        await world.PassAsync(2 * Second);
        (await world.PassAsync(b.AskAsync(World.Ask(2, 5)), Minute)).Refusal?.Code.ShouldBe(RefusalCode.LedgerUnavailable, "it is told");
        await world.PassAsync(10 * Second);

        var another = await world.PassAsync(b.AskAsync(World.Ask(1, 20) with { Holder = "another" }), Minute);
        another.Grant.ShouldNotBeNull(another.Refusal?.Detail);
    }

    [Fact]
    public async Task L10_An_ask_of_which_nobody_tells_how_it_ended_counts_for_as_long_as_it_may_take()
    {
        await SettledAsync();
        await TakeAsync(1, 20, 20); // its replica dies
        Clock.Now += Minute - Second;
        (await TakeAsync(2, 1, 1)).Full.ShouldNotBeNull();
        Clock.Now += Second;
        (await TakeAsync(2, 20, 20)).ShouldBe((20, null));
    }

    [Fact]
    public async Task L10_A_released_holder_is_free_when_an_ask_of_its_is_over_of_which_nobody_tells_how_it_ended()
    {
        await SettledAsync();
        await HoldAsync(shares, 1, 15);
        await TakeAsync(1, 20, 1); // its replica dies
        await shares.LeaveAsync(Id(1), await shares.VersionAsync(Id(1), Twenty[0].Name, Cancellation), Twenty, Cancellation);
        (await TakeAsync(2, 1, 1)).Full.ShouldNotBeNull("the ask may have been granted since").Connections.ShouldBe(20);
        Clock.Now += Minute;
        (await TakeAsync(2, 20, 20)).ShouldBe((20, null));
    }

    [Fact]
    public async Task L2_What_an_ask_got_is_told_in_a_later_round_when_the_ledger_did_not_hear_of_it()
    {
        await SettledAsync();
        var link = new CuttableStore(Store);
        using var replica = new ShareLedger(link);
        await replica.TakeAsync(Id(1), 15, 15, 30 * Minute, within: Minute, Twenty, Cancellation);
        link.Cut();
        await Should.ThrowAsync<LedgerException>(async () => await replica.SettleAsync(Id(1), 15, 30 * Minute, Twenty, Cancellation));
        link.Mend();
        await replica.KeepAsync(Cancellation);
        Clock.Now += 10 * Minute;
        (await TakeAsync(2, 20, 20)).Full.ShouldNotBeNull().Connections.ShouldBe(15);
        await replica.LeaveAsync(Id(1), await replica.VersionAsync(Id(1), Twenty[0].Name, Cancellation), Twenty, Cancellation);
        (await TakeAsync(2, 20, 20)).ShouldBe((20, null));
    }

    [Fact]
    public async Task L10_An_ask_that_was_told_to_a_ledger_that_lost_it_and_got_nothing_counts_no_longer()
    {
        await SettledAsync();
        await TakeAsync(1, 20, 20);
        await LoseAsync(shares);
        (await TakeAsync(2, 1, 1)).Full.ShouldNotBeNull("the first may still get 20");
        await shares.SettleAsync(Id(1), null, 30 * Minute, Twenty, Cancellation);
        (await TakeAsync(2, 20, 20)).ShouldBe((20, null));
    }

    [Theory]
    [InlineData("~shares")]
    [InlineData("~sessions")]
    public async Task Replicas_that_are_gone_are_forgotten_and_one_that_has_nothing_to_say_is_not(string records)
    {
        var stopwatch = new FakeTimeProvider();
        for (var replica = 0; replica < 50; replica++) await Keeping()();
        var keep = Keeping();
        await keep();
        Clock.Now += DutyLedger.Settling;
        var epoch = Records()["epoch"];
        for (var passed = TimeSpan.Zero; passed < 25 * Hour; passed += 10 * Minute)
        {
            Clock.Now += 10 * Minute;
            stopwatch.Advance(10 * Minute);
            await keep();
        }

        Records().Keys.Count(field => field.StartsWith("voice:", StringComparison.Ordinal)).ShouldBe(1);
        Records()["epoch"].ShouldBe(epoch, "it was there all the time, and is not taken for one that lost something");

        IReadOnlyDictionary<string, string> Records() => Store.Copy().HashAt(LedgerKeys.Of(records)[0]);

        Func<Task> Keeping()
        {
            if (records == "~shares")
            {
                var ledger = new ShareLedger(Store, stopwatch);
                return () => ledger.KeepAsync(Cancellation).AsTask();
            }

            var sessions = new SessionLedger(Store, stopwatch);
            return () => sessions.KeepAsync(Cancellation).AsTask();
        }
    }

    [Fact]
    public async Task An_ask_does_not_look_through_all_that_is_remembered()
    {
        await SettledAsync();
        var stopwatch = new CountedStopwatch();
        var many = new ShareLedger(Store, stopwatch);
        for (var pod = 0; pod < 1_000; pod++) await many.TakeAsync(Id(pod), 1, 1, 30 * Minute, within: Minute, [new("caller:" + pod, 0, 20)], Cancellation);
        stopwatch.Reads.ShouldBeLessThan(10_000);
    }

    // A ledger that is new gives nobody a part until those who remember some would have said so.
    private async Task SettledAsync()
    {
        await new ShareLedger(Store).KeepAsync(Cancellation);
        Clock.Now += DutyLedger.Settling;
    }

    private static async Task HoldAsync(ShareLedger through, int pod, int connections)
    {
        await through.TakeAsync(Id(pod), connections, connections, 30 * Minute, within: Minute, Twenty, Cancellation);
        await through.SettleAsync(Id(pod), connections, 30 * Minute, Twenty, Cancellation);
    }

    // The ledger loses everything, and this replica tells what it remembers in time.
    private async Task LoseAsync(ShareLedger teller)
    {
        Store.PutBack(InProcessLedgerStore.Empty());
        await teller.KeepAsync(Cancellation);
        await shares.KeepAsync(Cancellation);
        Clock.Now += 10 * Second;
    }

    private ValueTask<(int Connections, ShareFull? Full)> TakeAsync(int pod, int want, int least) =>
        shares.TakeAsync(Id(pod), want, least, 30 * Minute, within: Minute, Twenty, Cancellation);

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
