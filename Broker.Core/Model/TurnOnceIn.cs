namespace Broker.Core.Model;

/// <summary>
/// Lets the first who comes do what is done once in a while: of many at once one has the turn. Measured by the stopwatch, not by the clock.
/// </summary>
internal sealed class TurnOnceIn(TimeProvider time)
{
    private long lastAt;

    /// <summary>Whether the caller has the turn: nobody had it yet, or not for so long.</summary>
    public bool IsMine(TimeSpan every)
    {
        var (last, now) = (Volatile.Read(ref lastAt), time.GetTimestamp());
        return (last == 0 || time.GetElapsedTime(last, now) >= every) && Interlocked.CompareExchange(ref lastAt, now, last) == last;
    }
}
