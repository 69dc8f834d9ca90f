using Cronos;

namespace Broker.Core.Catalog;

/// <summary>When a static role's password changes: at a fixed interval, or on a cron schedule, in UTC.</summary>
public sealed class Rotation
{
    private readonly CronExpression? cron;

    private Rotation(TimeSpan? period, string? schedule, CronExpression? cron, TimeSpan? window) => (Period, Schedule, this.cron, Window) = (period, schedule, cron, window);

    /// <summary>The interval; null: by <see cref="Schedule"/>.</summary>
    public TimeSpan? Period { get; }

    /// <summary>Five fields (<c>0 3 * * SAT</c>); null: by <see cref="Period"/>.</summary>
    public string? Schedule { get; }

    /// <summary>
    /// With a schedule: how long after the scheduled time the password may still change; a rotation that fails for this long waits for the next time. Null: it
    /// changes as soon as it can.
    /// </summary>
    public TimeSpan? Window { get; }

    /// <summary>A rotation at a fixed interval.</summary>
    public static Rotation Every(TimeSpan period) => new(period, null, null, null);

    /// <summary>A rotation on a schedule; null when the text is not a schedule, or has no two future times.</summary>
    public static Rotation? TryBy(string schedule, TimeSpan? window = null)
    {
        if (!CronExpression.TryParse(schedule, CronFormat.Standard, out var cron)) return null;
        var rotation = new Rotation(null, schedule, cron, window);
        return cron.GetNextOccurrence(DateTime.UnixEpoch) is { } first && cron.GetNextOccurrence(first) is not null ? rotation : null;
    }

    /// <summary>The next time after this one.</summary>
    public DateTimeOffset After(DateTimeOffset time) =>
        Period is { } period ? time + period : cron!.GetNextOccurrence(time, TimeZoneInfo.Utc) ?? DateTimeOffset.MaxValue;

    /// <summary>
    /// The turns of a password that is made now: until the next one replaces it, and until its user is the next one itself. It
    /// works for both.
    /// </summary>
    public (TimeSpan Own, TimeSpan Spare) TurnsFrom(DateTimeOffset now)
    {
        var next = After(now);
        return (next - now, After(next) - next);
    }

    /// <summary>When the next password replaces one that works until then.</summary>
    public DateTimeOffset TurnOf(DateTimeOffset madeAt, DateTimeOffset endsAt)
    {
        if (Period is { } period) return endsAt - period;
        // What was made in a time's last moment is told of a moment after it.
        var times = cron!.GetOccurrences(madeAt - TimeSpan.FromMinutes(1), endsAt, TimeZoneInfo.Utc).ToList();
        return times.Count > 0 ? times[^1] : endsAt;
    }

    /// <summary>Whether the next password missed its window, and has to wait for the next time.</summary>
    public bool IsMissed(DateTimeOffset madeAt, DateTimeOffset endsAt, DateTimeOffset now) => Window is { } window && now >= TurnOf(madeAt, endsAt) + window;
}
