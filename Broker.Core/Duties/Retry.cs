using Broker.Core.Leases;

namespace Broker.Core.Duties;

/// <summary>When a failed duty is tried again.</summary>
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
