namespace Broker.Core.Model;

/// <summary>
/// A moment of this replica, for what is believed only for a while after it. A machine that is suspended may stop its stopwatch, and somebody may set its
/// clock: what has passed since is the larger of what the two say, so that neither makes anything be believed for longer.
/// </summary>
/// <param name="Stopwatch">As <see cref="TimeProvider.GetTimestamp"/> counts.</param>
/// <param name="Clock">By the clock.</param>
internal readonly record struct Moment(long Stopwatch, DateTimeOffset Clock)
{
    /// <summary>This moment.</summary>
    public static Moment Now(TimeProvider time) => new(time.GetTimestamp(), time.GetUtcNow());

    /// <summary>How long ago it was at least, by the stopwatch and by the clock.</summary>
    public TimeSpan Age(TimeProvider time)
    {
        var (byStopwatch, byClock) = (Elapsed(time), time.GetUtcNow() - Clock);
        return byClock > byStopwatch ? byClock : byStopwatch;
    }

    /// <summary>How long ago it was by the stopwatch alone: for what is to be remembered at least so long.</summary>
    public TimeSpan Elapsed(TimeProvider time) => time.GetElapsedTime(Stopwatch);
}
