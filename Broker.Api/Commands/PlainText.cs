using System.Text.Json;
using System.Text.Json.Serialization;
using Broker.Api.Fronts.Native.Problems;

namespace Broker.Api.Commands;

/// <summary>
/// Texts that callers, databases and issuers wrote, without what steers the terminal of whoever reads them: everything that is read from a broker passes here,
/// and whatever else a command quotes.
/// </summary>
internal sealed class PlainText : JsonConverter<string>
{
    /// <summary>A text whose only control letters are its line feeds.</summary>
    public static string Of(string text) => text.Contains('\n') ? string.Join('\n', text.Split('\n').Select(RefusalWriter.OneLine)) : RefusalWriter.OneLine(text);

    /// <inheritdoc/>
    public override string? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.GetString() is { } text ? Of(text) : null;

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, string value, JsonSerializerOptions options) => writer.WriteStringValue(value);

    /// <inheritdoc/>
    public override string ReadAsPropertyName(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => Of(reader.GetString()!);

    /// <inheritdoc/>
    public override void WriteAsPropertyName(Utf8JsonWriter writer, string value, JsonSerializerOptions options) => writer.WritePropertyName(value);
}
