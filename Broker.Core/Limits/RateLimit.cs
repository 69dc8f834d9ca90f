using System.Collections.Concurrent;
using Broker.Core.Leases;

namespace Broker.Core.Limits;

/// <summary>
/// So many a second for each name, and a burst after a pause (GCRA: one number per name, the time at which its burst is
/// whole again). Bounded: with too many names all start anew, which lets a burst more through and never locks anybody out.
/// </summary>
internal sealed class RateLimit(TimeProvider time, int most = 100_000)
{
    private readonly ConcurrentDictionary<string, long> whole = new(StringComparer.Ordinal);

    /// <summary>Null: go on; else when to come back.</summary>
    public TimeSpan? Take(string name, double perSecond, int burst)
    {
        var now = time.GetTimestamp();
        var each = (long)(time.TimestampFrequency / perSecond);
        var tolerance = each * (burst - 1);
        if (whole.Count >= most) whole.Clear();
        while (true)
        {
            var known = whole.GetOrAdd(name, now);
            var from = Math.Max(known, now);
            if (from - now > tolerance) return TimeSpan.FromSeconds((double)(from - now - tolerance) / time.TimestampFrequency);
            if (whole.TryUpdate(name, from + each, known)) return null;
        }
    }
}
