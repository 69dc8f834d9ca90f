using Broker.Core.Ledger;
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

    [Fact]
    public async Task L10_A_share_comes_free_when_its_holder_ends()
    {
        var shares = new ShareLedger(Store);
        Share[] limit = [new("caller:x", 1, 0)];
        await shares.TakeAsync(Id(1), 1, 1, Minute, limit, Cancellation);
        Clock.Now -= 10 * Minute;
        for (var i = 0; i < 61; i++)
        {
            Clock.Now += Second;
            await shares.TakeAsync(Id(9), 1, 1, Minute, [new("caller:y", 0, 0)], Cancellation);
        }

        (await shares.TakeAsync(Id(2), 1, 1, Minute, limit, Cancellation)).Full.ShouldBeNull();
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
