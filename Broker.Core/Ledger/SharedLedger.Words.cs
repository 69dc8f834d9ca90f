using System.Globalization;
using Broker.Core.Catalog;

namespace Broker.Core.Ledger;

/// <summary>How numbers and times are written for the scripts, and read from them.</summary>
public sealed partial class SharedLedger
{
    /// <summary>Names new leases; a simulation names them from its seed.</summary>
    internal Func<string> NewLeaseId { get; init; } = static () => Guid.NewGuid().ToString("N")[..20];

    // The ms between two users, and how far ahead of that pace a burst may run (generic cell rate algorithm).
    private static string Spacing(PaceSettings pace) => Text((long)Math.Ceiling(1000 / pace.UsersPerSecond));

    private static string Tolerance(PaceSettings pace) => Text((long)Math.Ceiling(1000 / pace.UsersPerSecond) * (pace.Burst - 1));

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Text(DateTimeOffset time) => Text(time.ToUnixTimeMilliseconds());

    private static string Text(TimeSpan time) => Text((long)time.TotalMilliseconds);

    private static string Text(double number) => number.ToString("0.###", CultureInfo.InvariantCulture);

    private static string Text(bool flag) => flag ? "1" : "0";

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private static TimeSpan Milliseconds(string text) => TimeSpan.FromMilliseconds(long.Parse(text, CultureInfo.InvariantCulture));

    private static TimeSpan Until(string text, long now) => TimeSpan.FromMilliseconds(long.Parse(text, CultureInfo.InvariantCulture) - now);

    private static DateTimeOffset? Time(string text) =>
        text.Length == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(text, CultureInfo.InvariantCulture));

    private static LedgerException Misunderstood(string question, string answer) =>
        new($"The ledger answered '{answer}' to {question}: another version of the broker may be writing it.");
}
