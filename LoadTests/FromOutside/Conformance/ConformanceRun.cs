using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace LoadTests.FromOutside.Conformance;

/// <summary>How a conformance run logs in and what it reads.</summary>
internal sealed record ConformanceSettings
{
    /// <summary>A path of the database engine that the login may read, e.g. <c>database/creds/app</c>.</summary>
    public required string Path { get; init; }

    /// <summary>Where the login is, e.g. <c>auth/kubernetes/login</c>; null: a token is given.</summary>
    public string? LoginPath { get; init; }

    /// <summary>What it logs in with.</summary>
    public JsonObject Login { get; init; } = [];

    /// <summary>A token; null: a login is made.</summary>
    public string? Token { get; init; }
}

/// <summary>One answer.</summary>
internal sealed record ConformanceAnswer(int Status, JsonObject Body, string Text, string? ContentType, HttpResponseHeaders Headers)
{
    public string? Error => (string?)Body["errors"]?.AsArray().FirstOrDefault();
}

/// <summary>The requests of a run, and what one check leaves for the next: a token and a lease.</summary>
internal sealed class ConformanceRun(HttpClient client, ConformanceSettings settings, CancellationToken cancellation)
{
    public ConformanceSettings Settings => settings;

    public string? Token { get; set; } = settings.Token;

    public string Lease { get; set; } = "";

    public int Duration { get; set; }

    public Task<ConformanceAnswer> SendAsync(string method, string path, JsonNode? body = null, params (string Name, string Value)[] headers) => SendAsync(method, path, body?.ToJsonString(), "application/json", Token, headers);

    public async Task<ConformanceAnswer> SendAsync(string method, string path, string? body, string? type, string? token, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), "/v1/" + path);
        if (token is not null) request.Headers.Add("X-Vault-Token", token);
        foreach (var (name, value) in headers) request.Headers.Add(name, value);
        if (body is not null)
        {
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
            if (type is not null) request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
        }

        using var response = await client.SendAsync(request, cancellation);
        var text = await response.Content.ReadAsStringAsync(cancellation);
        JsonObject parsed = [];
        try
        {
            if (text.Length > 0 && JsonNode.Parse(text) is JsonObject json) parsed = json;
        }
        catch (System.Text.Json.JsonException)
        {
            // Said by whoever looks for a field.
        }

        return new((int)response.StatusCode, parsed, text, response.Content.Headers.TryGetValues("Content-Type", out var types) ? types.First() : null, response.Headers);
    }
}
