using Broker.Core.Leases;

namespace Broker.Core.Duties;

/// <summary>When what failed is tried again.</summary>
internal static class Retry
{
    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(1);

    /// <summary>1, 2, 4 … seconds, up to the longest.</summary>
    public static TimeSpan Doubling(int failures, TimeSpan longest)
    {
        var pause = Shortest * Math.Pow(2, Math.Clamp(failures - 1, 0, 30));
        return pause < longest ? pause : longest;
    }
}

/// <summary>Chance, where many do the same: so that they do not do it all at once.</summary>
/// <param name="random">Where it comes from.</param>
internal sealed class Jitter(Random random)
{
    /// <summary>0 to 1.</summary>
    public double Fraction() => random.NextDouble();

    /// <summary>A time, a fifth more or less.</summary>
    public TimeSpan Spread(TimeSpan time) => time * (0.8 + 0.4 * random.NextDouble());
}
