using Broker.Core.Ledger;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>A ledger that was away could not be told that an attempt to issue goes on: it gives the attempt time to say so.</summary>
public sealed class AttemptsOverAnAbsenceTests : LedgerSequence
{
    [Fact]
    public async Task L1_An_attempt_goes_on_after_the_ledger_was_away_for_longer_than_an_attempt_lasts()
    {
        var order = await BegunAsync();
        Clock.Now += 20 * Second;
        await CountAsync(100);

        (await AskAsync(Claim(1, 1))).ShouldBeOfType<ClaimAnswer.Wait>("nobody could say that it goes on");
        await RoundsAsync(3);
        (await AskAsync(Claim(1, 1))).ShouldBeOfType<ClaimAnswer.Wait>();
        (await Ledger.Issues.BeatAsync(Database, order.Lease, order.Fence, Cancellation)).ShouldBeTrue("it says so when it can");
        await RoundsAsync(3);
        (await AskAsync(Claim(1, 1))).ShouldBeOfType<ClaimAnswer.Wait>();
    }

    [Fact]
    public async Task L10_An_attempt_that_nobody_makes_any_more_passes_on_seconds_after_the_ledger_is_back()
    {
        await BegunAsync();
        Clock.Now += 20 * Second;
        await RoundsAsync(5);

        (await AskAsync(Claim(1, 1))).ShouldBeOfType<ClaimAnswer.Issue>();
    }

    [Theory]
    [InlineData(5)]
    [InlineData(70)]
    public async Task L10_It_passes_on_also_where_nobody_is_there_to_see_it_or_the_ledger_was_away_for_long(int seconds)
    {
        await BegunAsync();
        if (seconds < 60) await RoundsAsync(seconds);
        else Clock.Now += seconds * Second;
        await CountAsync(100);

        (await AskAsync(Claim(1, 1))).ShouldBeOfType<ClaimAnswer.Issue>();
    }

    private async Task<ClaimAnswer.Issue> BegunAsync()
    {
        await CountAsync(100);
        var order = (await AskAsync(Claim(0, 1))).ShouldBeOfType<ClaimAnswer.Issue>();
        (await Ledger.Issues.BeginAsync(Database, order.Lease, order.Fence, "user", Fast, Cancellation)).ShouldBeOfType<BeginAnswer.Go>();
        await RoundsAsync(1);
        return order;
    }

    // Replicas ask all the time what is due.
    private async Task RoundsAsync(int seconds)
    {
        for (var round = 0; round < 4 * seconds; round++)
        {
            Clock.Now += 0.25 * Second;
            await Ledger.Duties.DueAsync(Database, [], 0, Minute, Cancellation);
        }

        await CountAsync(100);
    }
}
