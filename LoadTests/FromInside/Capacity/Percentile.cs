namespace LoadTests.FromInside.Capacity;

/// <summary>Percentiles of what was measured, and of what a model says.</summary>
internal static class Percentile
{
    /// <summary>The value that this percentage does not exceed; 0 where there are no values.</summary>
    public static double Of(IReadOnlyCollection<double> values, double percent)
    {
        if (values.Count == 0) return 0;
        var sorted = values.Order().ToArray();
        return sorted[Math.Clamp((int)Math.Ceiling(sorted.Length * percent / 100) - 1, 0, sorted.Length - 1)];
    }
}
