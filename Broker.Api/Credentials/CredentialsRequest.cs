using System.Text.Json;
using System.Text.Json.Serialization;

namespace Broker.Api.Credentials;

/// <summary>What a pod may say when it asks for credentials; all of it is optional.</summary>
/// <param name="Holder">An id that tells the caller's holders apart: 1 to 128 of <c>A-Z a-z 0-9 . _ : / -</c>. Default: the pod that the token names; needed when it names none.</param>
/// <param name="Connections">Connections wanted. Default: the role's.</param>
/// <param name="MinConnections">Connections it can live with. Default: as many as wanted; the role's least when none are named.</param>
public sealed record CredentialsRequest(string? Holder, int? Connections, int? MinConnections);

/// <summary>Reads requests strictly: an unknown field may be a misspelt one, and a claim must never mean something else.</summary>
[JsonSerializable(typeof(CredentialsRequest))]
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, AllowDuplicateProperties = false)]
internal sealed partial class RequestJson : JsonSerializerContext;

/// <summary>Reads the body of a claim.</summary>
internal static class CredentialsBody
{
    private static readonly CredentialsRequest Nothing = new(null, null, null);

    /// <summary>The request, or what is wrong with it. An empty body asks for nothing in particular.</summary>
    public static async ValueTask<(CredentialsRequest? Request, string? Mistake)> ReadAsync(HttpRequest request, CancellationToken cancellation)
    {
        if (request.ContentLength is 0) return (Nothing, null);
        var reader = request.BodyReader;
        while (true)
        {
            var read = await reader.ReadAsync(cancellation);
            if (!read.IsCompleted)
            {
                // Kestrel bounds the length (Broker:Limits:MaxBodyBytes) and the slowness.
                reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                continue;
            }

            if (read.Buffer.IsEmpty) return (Nothing, null);
            try
            {
                return (Parse(read.Buffer), null);
            }
            catch (JsonException e)
            {
                return (null, $"The body is not what this address takes: {e.Message} It takes {{\"holder\": text, \"connections\": number, \"minConnections\": number}}, each optional.");
            }
            finally
            {
                reader.AdvanceTo(read.Buffer.End);
            }
        }
    }

    private static CredentialsRequest Parse(System.Buffers.ReadOnlySequence<byte> body)
    {
        var json = new Utf8JsonReader(body);
        var request = JsonSerializer.Deserialize(ref json, RequestJson.Default.CredentialsRequest) ?? throw new JsonException("It is null.");
        if (json.Read()) throw new JsonException("There is more after the object.");
        return request;
    }
}
