using Broker.Core.Catalog;

namespace Broker.Core.Ledger;

/// <summary>A database's pace in the scripts' terms (generic cell rate algorithm).</summary>
internal static class Pacing
{
    /// <summary>The time between two users.</summary>
    public static TimeSpan Spacing(this PaceSettings pace) => TimeSpan.FromMilliseconds(Math.Ceiling(1000 / pace.UsersPerSecond));

    /// <summary>How far ahead of that a burst may run.</summary>
    public static TimeSpan Tolerance(this PaceSettings pace) => pace.Spacing() * (pace.Burst - 1);
}
