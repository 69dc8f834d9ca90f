using System.Globalization;
using Broker.Core.Model;
using Broker.Core.Operators;

namespace Broker.Api.Page;

/// <summary>Numbers and times as people read them.</summary>
internal static class PageText
{
    /// <summary>A number with thousands separators.</summary>
    public static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>The guarantees on a database, by party.</summary>
    public static string Guaranteed(Budget budget) =>
        string.Join(", ", budget.Guaranteed.OrderBy(party => party.Key, StringComparer.Ordinal).Select(party => $"{Number(party.Value)} to {party.Key}"));

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

    /// <summary>A time to the minute, with its date unless that is today.</summary>
    public static string Minute(DateTimeOffset time, DateTimeOffset now) =>
        time.UtcDateTime.ToString(time.UtcDateTime.Date == now.UtcDateTime.Date ? "HH:mm 'UTC'" : "yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture);

    /// <summary>An engine's usual name.</summary>
    public static string Engine(DatabaseEngineKind engine) => engine switch
    {
        DatabaseEngineKind.PostgreSql => "PostgreSQL",
        DatabaseEngineKind.MySql => "MySQL or MariaDB",
        DatabaseEngineKind.MongoDb => "MongoDB",
        _ => engine.ToString(),
    };

    /// <summary>A time to the second.</summary>
    public static string Moment(DateTimeOffset? time) => time?.ToUniversalTime().ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture) ?? "";
}
