using System.Globalization;
using System.Text.Json;

namespace Broker.Api.Fronts.Vault.Wire;

/// <summary>Vault's forms of common values.</summary>
internal static class JsonFields
{
    /// <summary>A time as Go writes it: RFC 3339, in UTC, with as many digits as it has.</summary>
    public static void WriteTime(this Utf8JsonWriter json, string name, DateTimeOffset? time)
    {
        if (time is { } known) json.WriteString(name, known.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", CultureInfo.InvariantCulture));
        else json.WriteNull(name);
    }

    public static void WriteTexts(this Utf8JsonWriter json, string name, IEnumerable<string> texts)
    {
        json.WriteStartArray(name);
        foreach (var text in texts) json.WriteStringValue(text);
        json.WriteEndArray();
    }

    public static void WriteTexts(this Utf8JsonWriter json, string name, IReadOnlyDictionary<string, string> texts)
    {
        json.WriteStartObject(name);
        foreach (var (key, value) in texts.OrderBy(entry => entry.Key, StringComparer.Ordinal)) json.WriteString(key, value);
        json.WriteEndObject();
    }

    /// <summary>Whole seconds that are certainly left.</summary>
    public static void WriteSecondsLeft(this Utf8JsonWriter json, string name, TimeSpan left) => json.WriteNumber(name, Math.Max(0, (long)Math.Floor(left.TotalSeconds)));
}
