using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Broker.Tests.Issuing.Vault;

/// <summary>
/// Sends what a recording sent to a server that should answer alike, and holds the answer against the recorded one, field by
/// field: status, headers, names, types, error texts, and the values that clients decide by. What is another's each time (tokens, ids, times) is carried over from
/// one answer to the next request.
/// </summary>
internal sealed class RecordedExchange(HttpClient client)
{
    private static readonly JsonSerializerOptions AsWritten = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Fields whose values are compared too: whatever a client does next depends on them, and they are no server's own.</summary>
    private static readonly HashSet<string> Told = new(StringComparer.Ordinal)
    {
        "renewable", "lease_duration", "rotation_period", "token_type", "type", "orphan", "num_uses", "creation_ttl", "explicit_max_ttl", "display_name", "path", "creation_path", "initialized", "sealed", "standby",
    };

    private readonly Dictionary<string, string> carried = new(StringComparer.Ordinal);

    /// <summary>The answer of the last request, whole.</summary>
    public JsonNode? Answer { get; private set; }

    /// <summary>Lets a text of the recordings stand for one of the server under test.</summary>
    public void Carry(string recorded, string actual) => carried[recorded] = actual;

    /// <summary>Asks, and says everything in which the answer differs.</summary>
    public async Task<IReadOnlyList<string>> DifferencesAsync(Recording recording, string? token, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(new HttpMethod(recording.Method), Carried(recording.Path));
        if (token is not null) request.Headers.Add("X-Vault-Token", token);
        foreach (var (name, value) in recording.RequestHeaders.Where(header => header.Key is not ("X-Vault-Token" or "Content-Type"))) request.Headers.Add(name, value);
        if (recording.RequestBody is { } sent) request.Content = new StringContent(Carried(sent.ToJsonString(AsWritten)), Encoding.UTF8, MediaTypeHeaderValue.Parse("application/json"));

        using var response = await client.SendAsync(request, cancellation);
        var text = await response.Content.ReadAsStringAsync(cancellation);
        Answer = text.Length == 0 ? null : JsonNode.Parse(text);
        CarryOver(recording.Body, Answer);

        var differences = new List<string>();
        if ((int)response.StatusCode != recording.Status) differences.Add($"status {(int)response.StatusCode} instead of {recording.Status}");
        foreach (var (name, value) in recording.Headers)
        {
            var given = response.Headers.Concat(response.Content.Headers).FirstOrDefault(header => header.Key.Equals(name, StringComparison.OrdinalIgnoreCase)).Value;
            if (given is null || string.Join(", ", given) != value) differences.Add($"header {name} is {(given is null ? "missing" : string.Join(", ", given))} instead of {value}");
        }

        Compare("", recording.Body, Answer, differences);
        return differences;
    }

    private string Carried(string text)
    {
        foreach (var (recorded, actual) in carried) text = text.Replace(recorded, actual, StringComparison.Ordinal);
        return text;
    }

    private void CarryOver(JsonNode? recorded, JsonNode? actual)
    {
        foreach (var path in new[] { "auth.client_token", "lease_id", "wrap_info.token" })
        {
            if (At(recorded, path) is { Length: > 0 } from && At(actual, path) is { Length: > 0 } to) carried[from] = to;
        }
    }

    private static string? At(JsonNode? node, string path) =>
        path.Split('.').Aggregate(node, (current, name) => current is JsonObject there ? there[name] : null) is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    private static void Compare(string path, JsonNode? recorded, JsonNode? actual, List<string> differences)
    {
        var (wanted, given) = (Kind(recorded), Kind(actual));
        if (wanted != given)
        {
            differences.Add($"{path} is {given} instead of {wanted}");
            return;
        }

        switch (recorded)
        {
            case JsonObject there:
                var other = actual!.AsObject();
                differences.AddRange(there.Where(field => !other.ContainsKey(field.Key)).Select(field => $"{path}.{field.Key} is missing"));
                differences.AddRange(other.Where(field => !there.ContainsKey(field.Key)).Select(field => $"{path}.{field.Key} is more"));
                foreach (var (name, value) in there.Where(field => other.ContainsKey(field.Key))) Compare($"{path}.{name}", value, other[name], differences);
                break;
            case JsonValue value when Told.Contains(path[(path.LastIndexOf('.') + 1)..]):
                if (!JsonNode.DeepEquals(value, actual)) differences.Add($"{path} is {actual!.ToJsonString()} instead of {value.ToJsonString()}");
                break;
            case JsonArray list when path is ".errors" or ".warnings":
                if (!JsonNode.DeepEquals(list, actual)) differences.Add($"{path} is {actual!.ToJsonString()} instead of {list.ToJsonString()}");
                break;
            case JsonArray list when list.Count > 0 && actual!.AsArray().Count > 0:
                Compare($"{path}[0]", list[0], actual[0], differences);
                break;
        }
    }

    private static string Kind(JsonNode? node) => node?.GetValueKind() switch
    {
        null or JsonValueKind.Null => "null",
        JsonValueKind.True or JsonValueKind.False => "true or false",
        { } kind => kind.ToString().ToLowerInvariant(),
    };
}
