namespace Broker.Core.Model;

/// <summary>
/// Gives one of many concurrent callers the turn to do something that is done at intervals. Measured by the stopwatch, not by the clock.
/// </summary>
internal sealed class TurnOnceIn(TimeProvider time)
{
    private long lastAt;

    /// <summary>Whether the caller has the turn: nobody has had it yet, or not within the interval.</summary>
    public bool IsMine(TimeSpan every)
    {
        var (last, now) = (Volatile.Read(ref lastAt), time.GetTimestamp());
        return (last == 0 || time.GetElapsedTime(last, now) >= every) && Interlocked.CompareExchange(ref lastAt, now, last) == last;
    }
}
