using Broker.Core.Budgets;
using Broker.Core.Ledger;
using Shouldly;
using Xunit;

namespace Broker.Tests.Budgets;

/// <summary>What a rollout would do tonight, by what the last nights were.</summary>
public sealed class ForecastAtTimeTests
{
    private static readonly DateTimeOffset Monday = new(2026, 3, 2, 0, 0, 0, TimeSpan.Zero);

    // A week by the hour: 50 are free, but at 02:00, when a report has 30 of 60, and on Wednesday 45.
    private static readonly HistoryRecord Week = new(
        Monday.AddDays(7), TimeSpan.FromHours(1),
        [.. Enumerable.Range(0, 7 * 24).Select(hour => Stretch(hour, hour % 24 != 2 ? 50 : hour / 24 == 2 ? 5 : 20))],
        [.. Enumerable.Range(0, 7).SelectMany(day => new HistoryPeak[] { new(Monday.AddHours((24 * day) + 2), "report", day == 2 ? 45 : 30), new(Monday.AddHours((24 * day) + 2), "api", 10) })],
        []);

    [Theory]
    [InlineData("12:00", 5, true)]
    [InlineData("03:00", 5, true)]
    [InlineData("02:00", 5, false)]
    [InlineData("02:59", 5, false)]
    [InlineData("01:30", 5, false)] // it lasts into that hour
    [InlineData("01:00", 5, true)]
    [InlineData("02:00", 1, true)]
    public void A_rollout_fits_where_it_would_have_fitted_on_the_fullest_day(string at, int pods, bool fits) =>
        Of(new(pods, 5, 0), null, at)!.ShouldSatisfyAllConditions(said => said.Forecast.Fits.ShouldBe(fits), said => said.Days.ShouldBe(7), said => said.Forecast.EnoughFreeIn.ShouldBeNull());

    [Fact]
    public void A_forecast_says_how_many_are_missing_which_pool_would_fit_and_who_had_them()
    {
        var said = Of(new(5, 5, 0), null, "02:00")!;
        (said.Forecast.Free, said.Forecast.Missing, said.Forecast.PodsThatFit, said.Forecast.PoolSizeThatFits).ShouldBe((5, 20L, 1, 1));
        said.Holders.Select(holder => (holder.Role, holder.Connections)).ShouldBe([("report", 45), ("api", 10)]);
    }

    [Fact]
    public void What_the_roles_own_pods_had_is_theirs_and_what_is_guaranteed_to_others_is_not()
    {
        Of(new(3, 5, 0), "api", "02:00")!.Forecast.ShouldSatisfyAllConditions(said => said.Fits.ShouldBeTrue(), said => said.Needed.ShouldBe(5));
        ForecastAtTime.Of(new(3, 5, 0), "api", new(2, 0), Week, new Dictionary<string, int> { ["billing"] = 3 })!.Forecast.ShouldSatisfyAllConditions(
            said => said.Fits.ShouldBeFalse(), said => said.Missing.ShouldBe(3));
    }

    [Fact]
    public void Where_nothing_was_counted_then_nothing_is_said()
    {
        Of(new(1, 1, 0), null, "02:00", Week with { Stretches = [] }).ShouldBeNull();
        Of(new(1, 1, 0), null, "02:00", Week with { Stretches = [.. Week.Stretches.Select(stretch => stretch with { Limit = stretch.Start.Hour == 2 ? -1 : stretch.Limit })] }).ShouldBeNull();
    }

    private static ForecastAtTime? Of(PlannedRollout rollout, string? role, string at, HistoryRecord? week = null) => ForecastAtTime.Of(rollout, role, TimeOnly.Parse(at, null), week ?? Week);

    private static HistoryStretch Stretch(int hour, int free) => new(Monday.AddHours(hour), 70, 60, 0, 60, 60 - free, 60 - free, 0, free, 0);
}
