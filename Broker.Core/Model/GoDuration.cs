using System.Buffers;
using System.Globalization;
using System.Text;

namespace Broker.Core.Model;

/// <summary>
/// Durations as Vault reads and writes them: Go's (<c>1h30m</c>, <c>1.5h</c>, <c>250ms</c>), also days (<c>7d</c>), and a bare
/// number, which is seconds.
/// </summary>
public static class GoDuration
{
    private static readonly SearchValues<char> Digits = SearchValues.Create("0123456789.");

    private static readonly (string Unit, double Seconds)[] Units =
        [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1), ("m", 60), ("h", 3600), ("d", 86400)];

    /// <summary>A hundred years: longer durations are read as this, so that no sum with them overflows.</summary>
    public static TimeSpan Longest { get; } = TimeSpan.FromDays(36500);

    /// <summary>Reads one; negative ones too.</summary>
    public static bool TryParse(string text, out TimeSpan duration)
    {
        duration = default;
        var rest = text.AsSpan().Trim();
        if (rest.IsEmpty) return false;
        if (double.TryParse(rest, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var bare)) return Of(bare, out duration);
        var sign = rest[0] == '-' ? -1 : 1;
        if (rest[0] is '-' or '+') rest = rest[1..];
        var seconds = 0d;
        while (!rest.IsEmpty)
        {
            var digits = rest.IndexOfAnyExcept(Digits);
            if (digits <= 0 || !double.TryParse(rest[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)) return false;
            rest = rest[digits..];
            var letters = rest.IndexOfAny(Digits);
            var unit = letters < 0 ? rest : rest[..letters];
            if (FactorOf(unit) is not { } factor) return false;
            seconds += number * factor;
            rest = rest[unit.Length..];
        }

        return Of(sign * seconds, out duration);
    }

    /// <summary>Go's error message for an invalid duration (Go time/format.go <c>ParseDuration</c>).</summary>
    public static string WhyNot(string text)
    {
        var rest = text.AsSpan().TrimStart("+-");
        while (!rest.IsEmpty)
        {
            var digits = rest.IndexOfAnyExcept(Digits) is var length and >= 0 ? length : rest.Length;
            if (digits == 0 || rest[..digits].Trim('.').IsEmpty) break;
            rest = rest[digits..];
            var unit = rest.IndexOfAny(Digits) is var end and >= 0 ? rest[..end] : rest;
            if (unit.IsEmpty) return $"time: missing unit in duration \"{text}\"";
            if (FactorOf(unit) is null) return $"time: unknown unit \"{unit}\" in duration \"{text}\"";
            rest = rest[unit.Length..];
        }

        return $"time: invalid duration \"{text}\"";
    }

    /// <summary>Writes one as Vault's warnings do, whole seconds: <c>1h</c>, <c>1h30m</c>, <c>45s</c>, <c>0s</c>.</summary>
    public static string Format(TimeSpan duration)
    {
        var left = (long)Math.Floor(Math.Abs(duration.TotalSeconds));
        if (left == 0) return "0s";
        var text = new StringBuilder(duration < TimeSpan.Zero ? "-" : "");
        foreach (var (unit, seconds) in new[] { ('h', 3600L), ('m', 60L), ('s', 1L) })
        {
            if (left / seconds is var count and > 0) text.Append(CultureInfo.InvariantCulture, $"{count}{unit}");
            left %= seconds;
        }

        return text.ToString();
    }

    private static double? FactorOf(ReadOnlySpan<char> unit)
    {
        foreach (var (name, seconds) in Units)
        {
            if (unit.SequenceEqual(name)) return seconds;
        }

        return null;
    }

    private static bool Of(double seconds, out TimeSpan duration)
    {
        duration = default;
        if (!double.IsFinite(seconds)) return false;
        duration = TimeSpan.FromSeconds(Math.Clamp(seconds, -Longest.TotalSeconds, Longest.TotalSeconds));
        return true;
    }
}
