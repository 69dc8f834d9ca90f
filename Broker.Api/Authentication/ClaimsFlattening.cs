using System.Text.Json;
using Broker.Core.Catalog;

namespace Broker.Api.Authentication;

/// <summary>Flattens a token's claims into a list: nested names are joined by <c>/</c> (<see cref="ClaimPath"/>), an array yields several values.</summary>
internal static class ClaimsFlattening
{
    private const int MaxDepth = 8;
    private const int MaxValues = 1_000;

    // Parsers disagree about two claims of the same name, so such a token is rejected.
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 64 };

    /// <summary>The claims, or null when there are too many or they nest too deeply: an incomplete list could match another caller.</summary>
    /// <exception cref="JsonException">The payload is not a JSON object.</exception>
    /// <exception cref="InvalidOperationException">A name or a text in it is none, as half a surrogate.</exception>
    public static ILookup<string, string>? Flatten(ReadOnlyMemory<byte> payload)
    {
        using var document = JsonDocument.Parse(payload, Strict);
        if (document.RootElement.ValueKind != JsonValueKind.Object) throw new JsonException("The payload is not an object.");
        var claims = new List<(string Path, string Value)>();
        return Add(document.RootElement, null, 0, claims)
            ? new TokenClaims(claims)
            : null;
    }

    // The path is null for the token itself alone: a claim may be called "".
    private static bool Add(JsonElement element, string? path, int depth, List<(string, string)> claims)
    {
        if (depth > MaxDepth || claims.Count >= MaxValues) return false;
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var property in element.EnumerateObject())
                {
                    var part = ClaimPath.Part(property.Name);
                    if (!Add(property.Value, path is null ? part : $"{path}/{part}", depth + 1, claims)) return false;
                }

                return true;
            case JsonValueKind.Array:
                foreach (var item in element.EnumerateArray())
                {
                    if (!Add(item, path, depth + 1, claims)) return false;
                }

                return true;
            case JsonValueKind.String:
                claims.Add((path!, element.GetString()!));
                return true;
            case JsonValueKind.Number:
            case JsonValueKind.True:
            case JsonValueKind.False:
                claims.Add((path!, element.GetRawText()));
                return true;
            default:
                return true;
        }
    }
}
