using Broker.Core.Ledger;

namespace Broker.Core.Leases.History;

/// <summary>Predicts when a database will be full: a straight line through the free connections of the last half hour.</summary>
internal static class Trend
{
    private static readonly TimeSpan Behind = TimeSpan.FromMinutes(30);
    private static readonly TimeSpan Ahead = TimeSpan.FromDays(7);

    // Two points always make a line, which means nothing.
    private const int Fewest = 5;

    /// <summary>The time until nothing is free; null when free connections are not shrinking, would last more than a week, or too little is known.</summary>
    public static TimeSpan? FullIn(HistoryRecord minutes)
    {
        var points = minutes.Stretches.Where(stretch => stretch.Limit >= 0 && stretch.Start >= minutes.Now - Behind)
            .Select(stretch => (X: (stretch.Start - minutes.Now).TotalSeconds, Y: (double)stretch.Free)).ToArray();
        if (points.Length < Fewest) return null;
        if (points[^1].Y <= 0) return TimeSpan.Zero;
        var (x, y) = (points.Average(point => point.X), points.Average(point => point.Y));
        var slope = points.Sum(point => (point.X - x) * (point.Y - y)) / points.Sum(point => (point.X - x) * (point.X - x));
        if (slope >= 0) return null;
        var seconds = points[^1].Y / -slope;
        return seconds < Ahead.TotalSeconds ? TimeSpan.FromSeconds(seconds) : null;
    }
}
