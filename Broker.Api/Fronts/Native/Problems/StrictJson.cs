using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Broker.Api.Fronts.Native.Problems;

/// <summary>Reads required bodies.</summary>
internal static class StrictJson
{
    /// <summary>The body, or what is wrong with it, without quoting its content.</summary>
    public static async ValueTask<(T? Body, string? Mistake)> ReadAsync<T>(HttpRequest request, JsonTypeInfo<T> type, CancellationToken cancellation)
        where T : class
    {
        var takes = string.Join(", ", type.Properties.Select(property => property.Name));
        try
        {
            return await JsonSerializer.DeserializeAsync(request.Body, type, cancellation) is { } body
                ? (body, null)
                : (null, $"The body is null. It takes an object with {takes}.");
        }
        catch (JsonException e)
        {
            return (null, $"The body is not what this address takes (line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}). It takes an object with {takes}.");
        }
    }
}
