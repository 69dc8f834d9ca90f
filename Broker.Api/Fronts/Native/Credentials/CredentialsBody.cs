using System.Buffers;
using System.Text.Json;

namespace Broker.Api.Fronts.Native.Credentials;

/// <summary>
/// Reads the body of a claim, strictly: an unknown field may be a misspelt one, and a claim must never be misread. Written by
/// hand, because a serializer's errors name our types and offsets instead of what the caller should correct.
/// </summary>
internal static class CredentialsBody
{
    private const int LongestQuote = 64;
    private const string Takes = "This address takes {\"holder\": text, \"connections\": whole number, \"minConnections\": whole number}, each optional.";
    private static readonly CredentialsRequest Nothing = new();

    /// <summary>The request, or what is wrong with it. An empty body asks for the defaults.</summary>
    public static async ValueTask<(CredentialsRequest? Request, string? Mistake)> ReadAsync(HttpRequest request, CancellationToken cancellation)
    {
        if (request.ContentLength is 0) return (Nothing, null);
        var reader = request.BodyReader;
        while (true)
        {
            var read = await reader.ReadAsync(cancellation);
            if (!read.IsCompleted)
            {
                // Kestrel limits the length (Broker:Limits:MaxBodyBytes) and how slowly it may arrive.
                reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                continue;
            }

            if (read.Buffer.IsEmpty) return (Nothing, null);
            try
            {
                return (Parse(read.Buffer), null);
            }
            catch (FormatException e)
            {
                return (null, $"{e.Message} {Takes}");
            }
            catch (InvalidOperationException)
            {
                // The reader validates a string only when it is read, and then throws this.
                return (null, $"The body contains text that is not UTF-8. {Takes}");
            }
            catch (JsonException e)
            {
                return (null, $"The body is not JSON in UTF-8 (from line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1} on). {Takes}");
            }
            finally
            {
                reader.AdvanceTo(read.Buffer.End);
            }
        }
    }

    private static CredentialsRequest Parse(ReadOnlySequence<byte> body)
    {
        var json = new Utf8JsonReader(body);
        string? holder = null;
        int? connections = null, least = null;
        var (hadHolder, hadConnections, hadLeast) = (false, false, false);
        json.Read();
        if (json.TokenType != JsonTokenType.StartObject) throw new FormatException("The body is not an object.");
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            if (json.ValueTextEquals("holder"u8)) holder = ReadText(ref json, "holder", ref hadHolder);
            else if (json.ValueTextEquals("connections"u8)) connections = ReadNumber(ref json, "connections", ref hadConnections);
            else if (json.ValueTextEquals("minConnections"u8)) least = ReadNumber(ref json, "minConnections", ref hadLeast);
            else throw new FormatException($"There is no field '{Quote(json.GetString()!)}'.");
        }

        json.Read(); // to the end: nothing may follow the object
        return new(holder, connections, least);
    }

    private static string? ReadText(ref Utf8JsonReader json, string name, ref bool had)
    {
        Next(ref json, name, ref had);
        return json.TokenType switch
        {
            JsonTokenType.Null => null,
            JsonTokenType.String => json.GetString(),
            _ => throw new FormatException($"'{name}' must be a string."),
        };
    }

    private static int? ReadNumber(ref Utf8JsonReader json, string name, ref bool had)
    {
        Next(ref json, name, ref had);
        if (json.TokenType == JsonTokenType.Null) return null;
        return json.TokenType == JsonTokenType.Number && json.TryGetInt32(out var value)
            ? value
            : throw new FormatException($"'{name}' is not a whole number, or is far out of range.");
    }

    private static void Next(ref Utf8JsonReader json, string name, ref bool had)
    {
        if (had) throw new FormatException($"'{name}' is given twice.");
        had = true;
        json.Read();
    }

    private static string Quote(string name) => name.Length <= LongestQuote ? name : name[..LongestQuote] + "…";
}
