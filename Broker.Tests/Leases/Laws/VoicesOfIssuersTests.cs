using Broker.Core.Leases.Recovering;
using Broker.Core.Ledger;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>Who only says what all brokers agree on is a voice as well: it is there as long as it says that, and is forgotten afterwards (law L8).</summary>
public sealed class VoicesOfIssuersTests : LedgerSequence
{
    [Fact]
    public async Task L8_Who_says_what_all_agree_on_is_not_taken_for_one_that_lost_something()
    {
        var stopwatch = new FakeTimeProvider();
        Agreement[] agreements = [new(AnotherReplica(), stopwatch), new(AnotherReplica(), stopwatch)];
        var gone = new Agreement(AnotherReplica(), stopwatch);
        await RoundAsync();
        await SaidAsync(gone);
        foreach (var agreement in agreements) await SaidAsync(agreement);
        Clock.Now += Minute;
        foreach (var agreement in agreements) await SaidAsync(agreement);
        var epoch = Records()["epoch"];
        for (var passed = TimeSpan.Zero; passed < 25 * Hour; passed += 10 * Minute)
        {
            Clock.Now += 10 * Minute;
            stopwatch.Advance(10 * Minute);
            await RoundAsync();
            Array.Reverse(agreements); // the first says it again, and the other only looks
            foreach (var agreement in agreements) await SaidAsync(agreement);
        }

        Records()["epoch"].ShouldBe(epoch, "both were there all the time");
        Records().Keys.Count(static field => field.StartsWith("voice:", StringComparison.Ordinal)).ShouldBe(2, "one that is gone is forgotten");
    }

    private IReadOnlyDictionary<string, string> Records() => Store.Copy().HashAt(LedgerKeys.Of(SharedLedger.Issuers)[0]);

    private async Task RoundAsync() => await Ledger.Duties.DueAsync(SharedLedger.Issuers, ["token:v"], 0, Minute, Cancellation);

    private static async Task SaidAsync(Agreement agreement) => (await agreement.OthersAsync("server:orders", static text => text == "here", static () => "here")).ShouldBeNull();
}
