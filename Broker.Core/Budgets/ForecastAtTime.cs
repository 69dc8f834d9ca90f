using Broker.Core.Ledger;

namespace Broker.Core.Budgets;

/// <summary>What a rollout would do at a time of day, based on a database's connections at that time in the last week.</summary>
/// <param name="Forecast">The forecast for the fullest of those days.</param>
/// <param name="Days">On how many days there was a count at that time.</param>
/// <param name="Holders">Who had what on that day: for each role its maximum, as one holder.</param>
internal sealed record ForecastAtTime(Forecast Forecast, int Days, IReadOnlyList<ForecastHolder> Holders)
{
    // A rollout takes its time.
    private static readonly TimeSpan Lasts = TimeSpan.FromHours(1);
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    /// <summary>Makes the forecast; null when nothing was counted at that time.</summary>
    /// <param name="rollout">The rollout.</param>
    /// <param name="role">The role it claims: what its pods had then is theirs; null: one that has nothing yet.</param>
    /// <param name="at">When it begins, in UTC; it is assumed to take an hour.</param>
    /// <param name="week">What the connections were.</param>
    /// <param name="guaranteed">By party: connections that are kept free for it while it does not have them; null when nothing is guaranteed.</param>
    public static ForecastAtTime? Of(PlannedRollout rollout, string? role, TimeOnly at, HistoryRecord week, IReadOnlyDictionary<string, int>? guaranteed = null)
    {
        HistoryStretch[] then = [.. week.Stretches.Where(stretch => stretch.Limit >= 0 && Meets(stretch.Start, week.Width, at))];
        if (then.Length == 0) return null;
        var (forecast, holders) = then.Select(Then).MinBy(of => (of.Forecast.PodsThatFit, of.Forecast.PoolSizeThatFits, -of.Forecast.Missing));
        return new(forecast, then.DistinctBy(stretch => (stretch.Start + week.Width - at.ToTimeSpan() - TimeSpan.FromTicks(1)).UtcDateTime.Date).Count(), holders);

        // The history does not say who would have gone down, and those holders have ended long ago.
        (Forecast Forecast, IReadOnlyList<ForecastHolder> Holders) Then(HistoryStretch stretch)
        {
            ForecastHolder[] had = [.. week.Peaks.Where(peak => peak.Start == stretch.Start && peak.Connections > 0).Select(peak => new ForecastHolder(peak.Role, peak.Connections, TimeSpan.MaxValue))];
            return (Forecast.Of(rollout, role, had.Sum(holder => holder.Connections) + stretch.Free, had, guaranteed) with { EnoughFreeIn = null }, had);
        }
    }

    // Whether a stretch overlaps with the hour that begins then.
    private static bool Meets(DateTimeOffset start, TimeSpan width, TimeOnly at)
    {
        var before = TimeSpan.FromTicks(((at.ToTimeSpan() - start.UtcDateTime.TimeOfDay).Ticks + Day.Ticks) % Day.Ticks);
        return before < width || Day - before < Lasts;
    }
}
