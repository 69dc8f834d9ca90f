using Broker.Core.Budgets;
using CsCheck;
using Shouldly;
using Xunit;

namespace Broker.Tests.Budgets;

/// <summary>What a forecast says is what then happens.</summary>
public sealed class ForecastTests
{
    private static readonly Gen<ForecastHolder> Holders = Gen.Select(
        Gen.OneOf(Gen.Const("mine"), Gen.Const("others"), Gen.Const("more")), Gen.Int[1, 9], Gen.Int[0, 3600],
        (role, connections, seconds) => new ForecastHolder(role, connections, TimeSpan.FromSeconds(seconds)));

    private static readonly Gen<(PlannedRollout Rollout, string? Role, int Capacity, ForecastHolder[] Holders)> Situations = Gen.Select(
        Gen.Select(Gen.Int[1, 60], Gen.Int[1, 12], Gen.Int[0, 20], (pods, connections, surge) => new PlannedRollout(pods, connections, surge)),
        Gen.OneOf(Gen.Const("mine"), Gen.Const("nobody")), Gen.Int[0, 400], Holders.Array[0, 40],
        (rollout, role, capacity, holders) => (rollout, (string?)role, capacity, holders));

    [Fact]
    public void As_many_pods_are_served_as_it_says() => Situations.Sample(
        situation =>
        {
            var (rollout, role, capacity, holders) = situation;
            var forecast = Forecast.Of(rollout, role, capacity, holders);
            var left = Left(capacity, holders, holder => holder.Role == role);
            var served = 0;
            for (var pod = 0; pod < rollout.Pods + rollout.Surge && left >= rollout.ConnectionsPerPod; pod++, left -= rollout.ConnectionsPerPod) served++;
            forecast.PodsThatFit.ShouldBe(served);
            forecast.Fits.ShouldBe(served == rollout.Pods + rollout.Surge);
            (forecast.Missing == 0).ShouldBe(forecast.Fits);
        },
        iter: 2000, threads: 1);

    [Fact]
    public void The_pool_size_that_fits_fits_and_one_more_does_not() => Situations.Sample(
        situation =>
        {
            var (rollout, role, capacity, holders) = situation;
            var size = Forecast.Of(rollout, role, capacity, holders).PoolSizeThatFits;
            if (size > 0) Forecast.Of(rollout with { ConnectionsPerPod = size }, role, capacity, holders).Fits.ShouldBeTrue();
            Forecast.Of(rollout with { ConnectionsPerPod = size + 1 }, role, capacity, holders).Fits.ShouldBeFalse();
        },
        iter: 2000, threads: 1);

    [Fact]
    public void When_it_says_that_enough_is_free_it_is_and_not_before() => Situations.Sample(
        situation =>
        {
            var (rollout, role, capacity, holders) = situation;
            var forecast = Forecast.Of(rollout, role, capacity, holders);
            if (forecast.EnoughFreeIn is not { } wait)
            {
                // It fits now, or not even when all others have gone.
                (forecast.Fits || !Forecast.Of(rollout, role, capacity, [.. holders.Where(holder => holder.Role == role)]).Fits).ShouldBeTrue();
                return;
            }

            Forecast.Of(rollout, role, capacity, After(wait)).Fits.ShouldBeTrue();
            Forecast.Of(rollout, role, capacity, After(wait - TimeSpan.FromTicks(1))).Fits.ShouldBeFalse();

            ForecastHolder[] After(TimeSpan passed) => [.. holders.Where(holder => holder.Role == role || holder.EndsIn > passed)];
        },
        iter: 2000, threads: 1);

    [Theory]
    [InlineData(100, 25, 25)]
    [InlineData(10, 25, 3)]
    [InlineData(1, 25, 1)]
    [InlineData(4, 0, 0)]
    public void A_surge_in_percent_is_rounded_up(int pods, int percent, int surge) => PlannedRollout.SurgeOf(pods, percent).ShouldBe(surge);

    // What is free for the rollout when its own pods have gone.
    private static long Left(int capacity, ForecastHolder[] holders, Func<ForecastHolder, bool> own)
    {
        var others = holders.Where(holder => !own(holder)).Sum(holder => holder.Connections);
        return Math.Max(0, capacity - others);
    }
}
