using System.Buffers;
using System.Text;
using System.Text.Json;
using Broker.Core.Model;
using Microsoft.AspNetCore.WebUtilities;

namespace Broker.Api.Fronts.Vault.Wire;

/// <summary>
/// The fields of a request's body. JSON whatever the content type says, unless that is a form's and the text begins like no JSON; an
/// empty body has no fields (OpenBao http/handler.go <c>isForm</c>, http/logical.go). A field that is null is not there.
/// </summary>
internal sealed class VaultBody
{
    private const string FormType = "application/x-www-form-urlencoded";

    /// <summary>That of a request which has none: what does not write is not read for one (OpenBao http/logical.go).</summary>
    public static VaultBody Empty { get; } = new([]);

    private readonly Dictionary<string, JsonElement> fields;

    private VaultBody(Dictionary<string, JsonElement> fields) => this.fields = fields;

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

    /// <summary>A text; null when it is not there. Numbers are texts too, as Vault takes them.</summary>
    /// <exception cref="VaultError">It is neither.</exception>
    public string? Text(string name) => !fields.TryGetValue(name, out var value) ? null : value.ValueKind switch
    {
        JsonValueKind.String => TextOf(value),
        JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => value.GetRawText(),
        _ => throw VaultError.Bad($"Field validation failed: error converting input for field \"{name}\""),
    };

    private static string TextOf(JsonElement value)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw VaultError.Bad("error parsing JSON"); // letters that are none, as half a surrogate
        }
    }

    /// <summary>A duration: seconds, or a text like <c>1h</c>. Zero when it is not there.</summary>
    /// <exception cref="VaultError">It is neither, or negative.</exception>
    public TimeSpan Duration(string name)
    {
        if (Text(name) is not { Length: > 0 } text) return TimeSpan.Zero;
        if (GoDuration.TryParse(text, out var duration) && duration >= TimeSpan.Zero) return TimeSpan.FromSeconds(Math.Floor(duration.TotalSeconds));
        throw VaultError.Bad($"Field validation failed: error converting input {text} for field \"{name}\": time: invalid duration \"{text}\"");
    }

    /// <summary>Texts: a list, or one text divided by commas.</summary>
    public IReadOnlyList<string> Texts(string name) => !fields.TryGetValue(name, out var value) ? []
        : value.ValueKind == JsonValueKind.Array
            ? [.. value.EnumerateArray().Where(item => item.ValueKind == JsonValueKind.String).Select(TextOf)]
            : [.. (Text(name) ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)];

    private static VaultBody Parse(ReadOnlySequence<byte> body, string? type)
    {
        var start = FirstLetter(body);
        if (start is null) return new([]);
        if (start is not ((byte)'{' or (byte)'[') && type?.StartsWith(FormType, StringComparison.OrdinalIgnoreCase) == true)
        {
            var form = QueryHelpers.ParseQuery(Encoding.UTF8.GetString(body));
            return new(form.ToDictionary(field => field.Key, field => JsonSerializer.SerializeToElement(field.Value.ToString()), StringComparer.Ordinal));
        }

        try
        {
            using var json = JsonDocument.Parse(body);
            if (json.RootElement.ValueKind == JsonValueKind.Null) return new([]);
            if (json.RootElement.ValueKind != JsonValueKind.Object) throw VaultError.Bad("error parsing JSON");
            var fields = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
            foreach (var field in json.RootElement.EnumerateObject().Where(field => field.Value.ValueKind != JsonValueKind.Null)) fields[field.Name] = field.Value.Clone();
            return new(fields);
        }
        catch (JsonException)
        {
            throw VaultError.Bad("error parsing JSON");
        }
        catch (InvalidOperationException)
        {
            throw VaultError.Bad("error parsing JSON"); // text that is no UTF-8
        }
    }

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
