using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Broker.Core.Model;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Primitives;

namespace Broker.Api.Fronts.Vault.Wire;

/// <summary>
/// The fields of a request: those of its query if it only reads, else of its body. A body is JSON whatever the content type says, unless that is
/// a form's and the text does not begin like JSON; an empty one has no fields (OpenBao http/handler.go <c>isForm</c>, http/logical.go). A field
/// that is null counts as missing; of a repeated field the second one counts.
/// </summary>
internal sealed class VaultBody
{
    private const string FormType = "application/x-www-form-urlencoded";

    private static readonly string[] Reserved = ["help", "list"];

    private readonly Dictionary<string, JsonElement> fields;
    private readonly HashSet<string> asked = new(StringComparer.Ordinal);

    private VaultBody(Dictionary<string, JsonElement> fields) => this.fields = fields;

    /// <summary>The fields that nobody reads: Vault says that it ignores them (OpenBao sdk/framework/backend.go).</summary>
    public IReadOnlyList<string> Ignored => fields.Count == 0 ? [] : [.. fields.Keys.Where(name => !asked.Contains(name)).Order(StringComparer.Ordinal)];

    /// <summary>All of them, including nulls, as they were sent.</summary>
    public IReadOnlyDictionary<string, JsonElement> All()
    {
        asked.UnionWith(fields.Keys);
        return fields;
    }

    /// <summary>The fields of a request that writes nothing: its body, if any, is not read (OpenBao http/logical.go <c>parseQuery</c>).</summary>
    public static VaultBody OfQuery(IQueryCollection query) =>
        query.Count == 0 ? new([]) : Of(query.Where(field => !Reserved.Contains(field.Key, StringComparer.Ordinal)));

    public static async ValueTask<VaultBody> ReadAsync(HttpRequest request, CancellationToken cancellation)
    {
        if (request.ContentLength is 0) return new([]);
        while (true)
        {
            var read = await request.BodyReader.ReadAsync(cancellation);
            if (!read.IsCompleted)
            {
                // Kestrel bounds the length (Broker:Limits:MaxBodyBytes) and the slowness.
                request.BodyReader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                continue;
            }

            try
            {
                return Parse(read.Buffer, request.ContentType);
            }
            finally
            {
                request.BodyReader.AdvanceTo(read.Buffer.End);
            }
        }
    }

    /// <summary>A text; null when it is missing. A number is accepted as a text, as in Vault.</summary>
    /// <exception cref="VaultError">It is neither.</exception>
    public string? Text(string name) => Field(name) is not { } value ? null : value.ValueKind switch
    {
        JsonValueKind.String => TextOf(value),
        JsonValueKind.Number => value.GetRawText(),
        JsonValueKind.True => "1",
        JsonValueKind.False => "0",
        _ => throw Unconvertible(name, value, "string"),
    };

    /// <summary>Whether it is set; false when it is missing. Texts and numbers with that meaning are accepted too.</summary>
    /// <exception cref="VaultError">It means neither.</exception>
    public bool Flag(string name) => Field(name) is { } value && value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Number => value.GetDouble() != 0,
        JsonValueKind.String when GoFlag.TryParse(TextOf(value), out var flag) => flag,
        JsonValueKind.String => throw Invalid(name, $"cannot parse '' as bool: strconv.ParseBool: parsing \"{TextOf(value)}\": invalid syntax"),
        _ => throw Unconvertible(name, value, "bool"),
    };

    // Some languages write 3600 as 3600.0, which Vault refuses because the unit is missing: no client relies on that.
    private static string WholeOf(JsonElement number) => Math.Truncate(number.GetDouble()).ToString("0", CultureInfo.InvariantCulture);

    private JsonElement? Field(string name)
    {
        asked.Add(name);
        return fields.TryGetValue(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }

    private static VaultError Invalid(string name, string why) => VaultError.Bad($"Field validation failed: error converting input for field \"{name}\": {why}");

    private static VaultError Unconvertible(string name, JsonElement value, string type) =>
        Invalid(name, $"'' expected type '{type}', got unconvertible type '{(value.ValueKind == JsonValueKind.Array ? "[]interface {}" : "map[string]interface {}")}'");

    private static string TextOf(JsonElement value)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw VaultError.Bad("error parsing JSON"); // invalid letters, such as half a surrogate
        }
    }

    /// <summary>A duration: seconds, in any notation of the number, or a text like <c>1h</c>. Zero when it is missing.</summary>
    /// <exception cref="VaultError">It is neither, or negative.</exception>
    public TimeSpan Duration(string name)
    {
        if (Field(name) is not { } value) return TimeSpan.Zero;
        if (value.ValueKind is not (JsonValueKind.String or JsonValueKind.Number)) throw Invalid(name, "could not parse duration from input");
        if (Text(name) is not { Length: > 0 } text) return TimeSpan.Zero;
        if (!GoDuration.TryParse(value.ValueKind == JsonValueKind.Number ? WholeOf(value) : text, out var duration)) throw Invalid(name, GoDuration.WhyNot(text));
        var seconds = Math.Truncate(duration.TotalSeconds);
        return seconds < 0 ? throw Invalid(name, $"cannot provide negative value '{(long)seconds}'") : TimeSpan.FromSeconds(seconds);
    }

    /// <summary>Texts: a list, or one text separated by commas.</summary>
    public IReadOnlyList<string> Texts(string name) => Field(name) is not { } value ? []
        : value.ValueKind == JsonValueKind.Array
            ? [.. value.EnumerateArray().Where(item => item.ValueKind == JsonValueKind.String).Select(item => TextOf(item).Trim())]
            : [.. (Text(name) ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)];

    private static VaultBody Parse(ReadOnlySequence<byte> body, string? type)
    {
        var start = FirstLetter(body);
        if (start is null) return new([]);
        if (start is not ((byte)'{' or (byte)'[') && type?.StartsWith(FormType, StringComparison.OrdinalIgnoreCase) == true)
        {
            return Of(QueryHelpers.ParseQuery(Encoding.UTF8.GetString(body)));
        }

        try
        {
            // The first value is the body, whatever comes behind it (Go's json.Decoder).
            var reader = new Utf8JsonReader(body);
            using var json = JsonDocument.ParseValue(ref reader);
            if (json.RootElement.ValueKind == JsonValueKind.Null) return new([]);
            if (json.RootElement.ValueKind != JsonValueKind.Object) throw VaultError.Bad("error parsing JSON");
            var fields = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
            foreach (var field in json.RootElement.EnumerateObject()) fields[field.Name] = field.Value.Clone();
            return new(fields);
        }
        catch (JsonException)
        {
            throw VaultError.Bad("error parsing JSON");
        }
        catch (InvalidOperationException)
        {
            throw VaultError.Bad("error parsing JSON"); // text that is not UTF-8
        }
    }

    private static VaultBody Of(IEnumerable<KeyValuePair<string, StringValues>> form) =>
        new(form.ToDictionary(field => field.Key, field => JsonSerializer.SerializeToElement(field.Value.ToString()), StringComparer.Ordinal));

    private static byte? FirstLetter(ReadOnlySequence<byte> body)
    {
        foreach (var part in body)
        {
            foreach (var letter in part.Span)
            {
                if (letter is not ((byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n')) return letter;
            }
        }

        return null;
    }
}
