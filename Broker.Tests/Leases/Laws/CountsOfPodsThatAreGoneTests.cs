using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>Many pods deleted at once delay the ledger no longer than a few.</summary>
public sealed class CountsOfPodsThatAreGoneTests : LedgerSequence
{
    [Theory]
    [InlineData(500)]
    [InlineData(1_250)]
    public async Task L2_However_many_pods_are_gone_they_end_some_at_a_time_and_none_is_passed_over(int endingTogether)
    {
        await CountAsync(5_000);
        await ActiveAsync();
        foreach (var some in Enumerable.Range(1, 2_500).Chunk(endingTogether))
        {
            Clock.Now += Second / 10;
            await Ledger.Claims.ClaimAsync(Database, Fast, 100, [.. some.Select(pod => Claim(pod, 1) with { Holder = $"r.{pod:D16}", Role = Terms with { MaxHolders = 10_000 } })], Cancellation);
        }

        (await GrantedAsync()).ShouldBe(2_501);
        var ended = new List<int>();
        var everySecond = Enumerable.Range(1, 2_500).Where(pod => pod % 2 == 0).Select(pod => $"{pod:D16}");
        await foreach (var some in Ledger.Holders.PodsGoneAsync(Database, [.. everySecond], Cancellation)) ended.Add(some.Ended.Count);
        ended.Sum().ShouldBe(1_250, "every second one is gone");
        ended.ShouldAllBe(at => at <= 1_000);
        (await GrantedAsync()).ShouldBe(1_251);
    }
}
