using BitFaster.Caching.Lru;

namespace Broker.Core.Limits;

/// <summary>
/// Limits the rate per name, with a burst after a pause (GCRA: one number per name, the time at which its burst is
/// whole again). Bounded: when there are too many names, the least recently used one starts over, which lets another burst through and
/// never locks anybody out.
/// </summary>
internal sealed class RateLimit(TimeProvider time, int most = 100_000)
{
    private readonly FastConcurrentLru<string, Burst> names = new(Environment.ProcessorCount, most, StringComparer.Ordinal);

    /// <summary>How many names it remembers.</summary>
    public int Count => names.Count;

    /// <summary>Null when allowed; otherwise after how long to try again.</summary>
    public TimeSpan? Take(string name, double perSecond, int burst)
    {
        var now = time.GetTimestamp();
        var each = (long)(time.TimestampFrequency / perSecond);
        var tolerance = each * (burst - 1);
        var whole = names.GetOrAdd(name, static (_, at) => new Burst { WholeAt = at }, now);
        while (true)
        {
            var known = Volatile.Read(ref whole.WholeAt);
            var from = Math.Max(known, now);
            if (from - now > tolerance) return TimeSpan.FromSeconds((double)(from - now - tolerance) / time.TimestampFrequency);
            if (Interlocked.CompareExchange(ref whole.WholeAt, from + each, known) == known) return null;
        }
    }

    private sealed class Burst
    {
        public long WholeAt;
    }
}
