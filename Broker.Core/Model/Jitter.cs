using Broker.Core.Duties;

namespace Broker.Core.Model;

/// <summary>Randomness that keeps many from doing the same thing at the same time.</summary>
/// <param name="random">Where it comes from.</param>
internal sealed class Jitter(Random random)
{
    /// <summary>0 to 1.</summary>
    public double Fraction() => random.NextDouble();

    /// <summary>A time that must not become longer: up to a fifth less.</summary>
    public TimeSpan Within(TimeSpan time) => time * (0.8 + 0.2 * random.NextDouble());

    /// <summary>A time, a fifth more or less.</summary>
    public TimeSpan Spread(TimeSpan time) => time * (0.8 + 0.4 * random.NextDouble());
}
