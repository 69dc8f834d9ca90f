using Broker.Core.Ledger;
using Shouldly;
using Xunit;

namespace Broker.Tests.Contracts;

/// <summary>What the ledger has written may contradict itself, by somebody's hand or a mistake: it says so and decides nothing.</summary>
public abstract partial class LedgerContract
{
    /// <summary>Writes a field of a hash as somebody who is not the broker would.</summary>
    protected abstract Task TamperAsync(string key, string field, string value);

    [Theory]
    [InlineData("granted", "1")]
    [InlineData("holders:r", "0")]
    public async Task Counts_that_would_fall_below_nothing_are_refused_in_words(string field, string value)
    {
        await CountedAsync(100);
        await ActiveAsync();
        (await ClaimAsync(Claim(1, 5))).ShouldBeOfType<ClaimAnswer.Granted>();
        await TamperAsync(LedgerKeys.Of(database)[0], field, value);
        await RefusedAsync();
    }

    [Theory]
    [InlineData("holders", "0")]
    [InlineData("connections", "4")]
    public async Task A_lease_that_knows_of_fewer_than_hold_it_is_refused_in_words(string field, string value)
    {
        await CountedAsync(100);
        await ActiveAsync();
        var granted = (await ClaimAsync(Claim(1, 5))).ShouldBeOfType<ClaimAnswer.Granted>();
        await TamperAsync(LedgerKeys.Of(database)[1], $"{granted.Lease}:{field}", value);
        await RefusedAsync();
    }

    private async Task RefusedAsync()
    {
        var before = await BudgetAsync();
        var refused = await Should.ThrowAsync<BrokenBooksException>(async () => await Ledger.Holders.ReleaseAsync(database, Claim(1, 5).Holder, Cancellation));
        refused.Message.ShouldContain("Delete the keys that begin like broker:{" + database + "}");
        var after = await BudgetAsync();
        (after.Granted, after.Roles.Count).ShouldBe((before.Granted, before.Roles.Count), "nothing was written");
        (await ClaimAsync(Claim(1, 5))).ShouldBeOfType<ClaimAnswer.Granted>("who holds something holds it");
    }
}
