using System.Globalization;

namespace Broker.Api.Fronts;

/// <summary>Numbers and durations as people read them, on the page and on the command line.</summary>
internal static class Wording
{
    /// <summary>A number with thousands separators.</summary>
    public static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>A number with its noun.</summary>
    public static string Count(long number, string noun) => $"{Number(number)} {noun}{(number == 1 ? "" : "s")}";

    /// <summary>A duration in its two largest units.</summary>
    public static string Span(TimeSpan span) => span switch
    {
        { TotalSeconds: < 120 } => $"{Math.Max(0, (long)Math.Round(span.TotalSeconds))} s",
        { TotalMinutes: < 120 } => $"{(long)span.TotalMinutes} min",
        { TotalHours: < 48 } => span.Minutes == 0 ? $"{(long)span.TotalHours} h" : $"{(long)span.TotalHours} h {span.Minutes} min",
        _ => $"{(long)span.TotalDays} d {span.Hours} h",
    };
}
