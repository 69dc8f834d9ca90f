using System.Text.Json.Nodes;
using LoadTests.Servers.LocalServers;
using Microsoft.AspNetCore.Http;

namespace Broker.Tests.Issuing.Vault;

/// <summary>One recorded exchange with a real server.</summary>
/// <param name="File">e.g. <c>vault-1.5/10-creds-postgres</c>.</param>
public sealed record Recording(string File, string Name, string Method, string Path, JsonNode? RequestBody, int Status, JsonNode? Body, IReadOnlyDictionary<string, string> Headers)
{
    /// <summary>The headers of the request; a token stands there as <c>&lt;token&gt;</c>.</summary>
    public required IReadOnlyDictionary<string, string> RequestHeaders { get; init; }

    private static readonly string Folder = System.IO.Path.Combine(AppContext.BaseDirectory, "Issuing", "Vault", "Recordings");

    public static IEnumerable<string> All =>
        Directory.EnumerateFiles(Folder, "*.json", SearchOption.AllDirectories)
            .Select(file => System.IO.Path.ChangeExtension(System.IO.Path.GetRelativePath(Folder, file), null).Replace('\\', '/'))
            .Order(StringComparer.Ordinal);

    public static Recording Read(string file)
    {
        var json = JsonNode.Parse(System.IO.File.ReadAllText(System.IO.Path.Combine(Folder, file + ".json")))!;
        var (request, response) = (json["request"]!, json["response"]!);
        return new Recording(
            file,
            (string)json["name"]!,
            (string)request["method"]!,
            (string)request["path"]!,
            request["body"],
            (int)response["status"]!,
            response["body"],
            response["headers"]!.AsObject().ToDictionary(header => header.Key, header => (string)header.Value!))
        {
            RequestHeaders = request["headers"]!.AsObject().ToDictionary(header => header.Key, header => (string)header.Value!),
        };
    }
}

/// <summary>
/// Answers as the recorded servers did. A recording is chosen by the first two parts of the path
/// (<c>/vault-1.5/10-creds-postgres/v1/…</c>), so a client's base address picks it; any other method or path than the
/// recorded one gets 599.
/// </summary>
public sealed class RecordedVault : IAsyncDisposable
{
    private readonly System.Collections.Concurrent.ConcurrentDictionary<string, JsonNode?> bodies = new();
    private LoopbackServer server = null!;

    public static async Task<RecordedVault> StartAsync()
    {
        var vault = new RecordedVault();
        vault.server = await LoopbackServer.StartAsync(vault.AnswerAsync);
        return vault;
    }

    public Uri AddressOf(Recording recording) => new(server.Address, recording.File);

    /// <summary>What was sent for a recording, last.</summary>
    public JsonNode? SentFor(Recording recording) => bodies.GetValueOrDefault(recording.File);

    public async ValueTask DisposeAsync() => await server.DisposeAsync();

    private async Task AnswerAsync(HttpContext context)
    {
        var parts = context.Request.Path.Value!.Split('/', 4);
        var recording = Recording.Read($"{parts[1]}/{parts[2]}");
        if (context.Request.Method != recording.Method || "/" + parts[3] + context.Request.QueryString != recording.Path)
        {
            context.Response.StatusCode = 599;
            return;
        }

        using var reader = new StreamReader(context.Request.Body);
        var text = await reader.ReadToEndAsync();
        bodies[recording.File] = text.Length == 0 ? null : JsonNode.Parse(text);

        context.Response.StatusCode = recording.Status;
        foreach (var (name, value) in recording.Headers) context.Response.Headers[name] = value;
        if (recording.Body is JsonValue plain) await context.Response.WriteAsync((string)plain!);
        else if (recording.Body is { } body) await context.Response.WriteAsync(body.ToJsonString());
    }
}
