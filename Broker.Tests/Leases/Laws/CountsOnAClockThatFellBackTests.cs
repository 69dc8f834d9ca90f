using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>The ledger's server falls back in time: another one has taken over, or somebody set its clock. The ledger does not (L9).</summary>
public sealed class CountsOnAClockThatFellBackTests : LedgerSequence
{
    [Fact]
    public async Task L2_Nothing_is_granted_on_an_old_count_and_counting_goes_on()
    {
        await CountAsync(10);
        await ActiveAsync();
        await DutyAsync("sample", done: true);
        Clock.Now -= 10 * Minute;
        (await PassAsync(5 * Minute, "sample")).ShouldBeTrue("the connections are to be counted again");
        (await AskAsync(Claim(5, 5))).ShouldBeOfType<ClaimAnswer.Stale>("five minutes have passed since the last count");
    }

    [Fact]
    public async Task L2_A_count_that_stood_still_on_its_way_is_not_fresh_when_it_arrives()
    {
        await using var world = new World(capacity: 10);
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.AskAsync(World.Ask(0, 1)), Minute)).Grant.ShouldNotBeNull();
        var (hold, held) = (new TaskCompletionSource(), 0);
        replica.Link.OnTheWayBack = decision => decision.Name == "silent" && held++ == 0 ? hold.Task : Task.CompletedTask;
        await world.PassAsync(() => held == 1, Minute);
        world.Engine.Capacity = 5;
        await world.PassAsync(Minute);
        (await BudgetAsync()).Capacity.ShouldBe(5, "it was counted again since");

        hold.SetResult();
        await world.IdleAsync();

        (await BudgetAsync()).Capacity.ShouldBe(5, "what was counted a minute ago is no more");

        async Task<BudgetRecord> BudgetAsync() => await world.Ledger.Budgets.BudgetAsync(Database, [], default);
    }

    [Fact]
    public async Task L4_Holders_end_when_they_were_told()
    {
        await CountAsync(10);
        await ActiveAsync();
        await DutyAsync("sample", done: false);
        Clock.Now -= 10 * Minute;
        await PassAsync(29 * Minute);
        (await GrantedAsync()).ShouldBe(1);
        await PassAsync(2 * Minute);
        (await GrantedAsync()).ShouldBe(0);
    }

    [Fact]
    public async Task L9_When_the_servers_clock_is_right_again_nothing_ends_before_its_time()
    {
        await CountAsync(10);
        await ActiveAsync();
        await DutyAsync("sample", done: false);
        Clock.Now -= 10 * Minute;
        await PassAsync(5 * Minute);
        Clock.Now += 10 * Minute;
        await PassAsync(20 * Minute);
        (await GrantedAsync()).ShouldBe(1, "25 of its 30 minutes have passed");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task L9_L1_Time_goes_on_and_fencing_numbers_rise_though_what_told_that_the_clock_is_wrong_is_lost(bool emptied)
    {
        await CountAsync(10);
        await ActiveAsync();
        var copy = emptied ? InProcessLedgerStore.Empty() : Store.Copy();
        Clock.Now -= 10 * Minute;
        await PassAsync(5 * Minute);
        await CountAsync(10);
        var before = (await AskAsync(Claim(1, 1) with { Pool = "p" })).ShouldBeOfType<ClaimAnswer.Issue>();
        var then = (await BeginAsync(before)).Now;

        Store.PutBack(copy);
        Clock.Now += 2 * Second;
        (await NowAsync(then + (2 * Second))).ShouldBe(then + (2 * Second));
        Clock.Now += 4 * Second;
        await CountAsync(10);
        (await AskAsync(Claim(1, 1) with { Pool = "p" })).ShouldBeOfType<ClaimAnswer.Stale>("the five seconds are of the time that goes on");
        Clock.Now += 2 * Second;
        await CountAsync(10);
        var after = (await AskAsync(Claim(1, 1) with { Pool = "p" })).ShouldBeOfType<ClaimAnswer.Issue>();
        after.Fence.ShouldBeGreaterThan(before.Fence);
        (await BeginAsync(after)).Now.ShouldBe(then + (8 * Second));

        async Task<BeginAnswer.Go> BeginAsync(ClaimAnswer.Issue order) =>
            (await Ledger.Issues.BeginAsync(Database, order.Lease, order.Fence, "user", Fast, Cancellation)).ShouldBeOfType<BeginAnswer.Go>();
    }

    [Fact]
    public async Task L9_A_ledger_that_stood_still_while_its_clock_fell_back_does_not_lose_that_time()
    {
        await CountAsync(10);
        await ActiveAsync();
        var then = await NowAsync(null);
        Clock.Now -= 10 * Minute; // another server takes over, half a minute later
        Clock.Now += 30 * Second;
        (await NowAsync(then + (30 * Second))).ShouldBe(then + (30 * Second));
        Clock.Now += 30 * Second;
        (await NowAsync(then + (60 * Second))).ShouldBe(then + (60 * Second));
    }

    [Theory]
    [InlineData(0.5)]
    [InlineData(2 * 86400)]
    public async Task L9_A_replica_moves_the_ledgers_time_by_no_trifle_and_to_no_other_day(double seconds)
    {
        await CountAsync(10);
        await ActiveAsync();
        (await NowAsync(Clock.Now + (seconds * Second))).ShouldBe(Clock.Now);
    }

    [Fact]
    public async Task L9_Whole_brokers_tell_a_ledger_that_was_emptied_and_whose_clock_is_wrong_what_time_it_is()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var before = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        world.Flush();
        world.LedgerClock.Off = -5 * Minute;
        await world.PassAsync(8 * Second);
        var after = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        after.Holder.ExpiresAt.ShouldBeGreaterThan(before.Holder.ExpiresAt - Second, "an announced end is not taken back");
    }

    private async Task<DateTimeOffset> NowAsync(DateTimeOffset? atLeast) =>
        (await Ledger.Duties.DueAsync(Database, [], 1, Second, Cancellation, atLeast: atLeast)).Now;

    [Fact]
    public async Task L10_A_share_comes_free_when_its_holder_ends()
    {
        var shares = new ShareLedger(Store);
        Share[] limit = [new("caller:x", 1, 0)];
        await shares.KeepAsync(Cancellation);
        Clock.Now += DutyLedger.Settling;
        await shares.TakeAsync(Id(1), 1, 1, Minute, within: Minute, limit, Cancellation);
        Clock.Now -= 10 * Minute;
        for (var i = 0; i < 61; i++)
        {
            Clock.Now += Second;
            await shares.TakeAsync(Id(9), 1, 1, Minute, within: Minute, [new("caller:y", 0, 0)], Cancellation);
        }

        (await shares.TakeAsync(Id(2), 1, 1, Minute, within: Minute, limit, Cancellation)).Full.ShouldBeNull();
    }

    // Whether the duty was taken within so much time.
    private async Task<bool> PassAsync(TimeSpan time, string duty = "")
    {
        var taken = false;
        for (var end = Clock.Now + time; Clock.Now < end; Clock.Now += 5 * Second)
            taken |= (await Ledger.Duties.DueAsync(Database, ["sample"], 10, 15 * Second, Cancellation)).Taken.Any(due => due.Name == duty);
        return taken;
    }

    private async Task DutyAsync(string name, bool done)
    {
        TakenDuty? taken = null;
        for (var i = 0; i < 20 && taken is null; i++)
        {
            Clock.Now += Second / 5;
            taken = (await Ledger.Duties.DueAsync(Database, [name], 10, 15 * Second, Cancellation)).Taken.FirstOrDefault(duty => duty.Name == name);
        }

        if (done) await Ledger.Duties.DoneAsync(Database, taken.ShouldNotBeNull(), 2 * Second, null, Cancellation);
    }
}
