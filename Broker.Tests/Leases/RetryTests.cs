using Broker.Core.Duties;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

public sealed class RetryTests
{
    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 1)]
    [InlineData(2, 2)]
    [InlineData(5, 16)]
    [InlineData(6, 30)]
    [InlineData(1_000_000, 30)]
    public void L12_What_fails_is_tried_again_ever_more_rarely_up_to_the_longest_pause(int failures, int seconds) =>
        Retry.Doubling(failures, TimeSpan.FromSeconds(30)).ShouldBe(TimeSpan.FromSeconds(seconds));

    [Theory]
    [InlineData(0, 8)]
    [InlineData(0.5, 10)]
    [InlineData(1, 12)]
    public void What_many_do_is_spread_a_fifth_more_or_less(double rolled, int seconds) =>
        new Jitter(new Loaded(rolled)).Spread(TimeSpan.FromSeconds(10)).TotalSeconds.ShouldBe(seconds, tolerance: 0.001);

    [Theory]
    [InlineData(0, 8)]
    [InlineData(0.5, 9)]
    [InlineData(1, 10)]
    public void What_is_promised_at_least_so_often_is_never_spread_beyond_that(double rolled, int seconds) =>
        new Jitter(new Loaded(rolled)).Within(TimeSpan.FromSeconds(10)).TotalSeconds.ShouldBe(seconds, tolerance: 0.001);

    private sealed class Loaded(double rolled) : Random
    {
        public override double NextDouble() => rolled;
    }
}
