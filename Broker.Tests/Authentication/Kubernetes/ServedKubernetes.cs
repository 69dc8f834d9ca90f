using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Broker.Tests.Authentication.Kubernetes;

/// <summary>
/// An API server over TLS that answers about tokens what a real one answered (recorded from kube-apiserver 1.36): each token
/// has the recording that a test gives it.
/// </summary>
internal sealed partial class ServedKubernetes : IAsyncDisposable
{
    public const string BrokersToken = "the-brokers-own-token";

    /// <summary>The pod of the recordings, as the recorded cluster wrote it into its answers.</summary>
    public const string PodUid = "ccabc840-32be-43f7-b241-f251a8b21d92";

    private readonly WebApplication server;
    private readonly X509Certificate2 certificate;

    private ServedKubernetes(WebApplication server, X509Certificate2 certificate, string directory)
    {
        (this.server, this.certificate) = (server, certificate);
        CaFile = Path.Combine(directory, "ca.crt");
        TokenFile = Path.Combine(directory, "token");
        File.WriteAllText(CaFile, certificate.ExportCertificatePem());
        File.WriteAllText(TokenFile, BrokersToken);
    }

    public Uri Address => new(server.Urls.Single());

    public string CaFile { get; }

    public string TokenFile { get; }

    /// <summary>What is answered about a token; what has no recording is garbage to the cluster.</summary>
    public ConcurrentDictionary<string, string> Recordings { get; } = new();

    public ConcurrentQueue<JsonObject> Asked { get; } = new();

    public HttpStatusCode? Broken { get; set; }

    /// <summary>What it publishes as its keys; null: what was recorded.</summary>
    public string? Keys { get; set; }

    /// <summary>The address of the keys that its discovery document names; null: as recorded.</summary>
    public string? JwksUri { get; set; }

    /// <summary>Bearer tokens that its documents were asked for with.</summary>
    public ConcurrentQueue<string> DocumentsAskedWith { get; } = new();

    /// <summary>Makes an answer of a review other than the recorded one.</summary>
    public Action<JsonObject>? Change { get; set; }

    /// <summary>Holds every review until it completes.</summary>
    public Task Hold { get; set; } = Task.CompletedTask;

    public static async Task<ServedKubernetes> StartAsync(string directory)
    {
        var certificate = OidcServer.Certificate();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(certificate)));
        var app = builder.Build();
        var served = new ServedKubernetes(app, certificate, directory);
        app.MapPost("/apis/authentication.k8s.io/v1/tokenreviews", served.ReviewAsync);
        app.MapGet("/.well-known/openid-configuration", context => served.AnswerAsync(context, "01-openid-configuration"));
        app.MapGet("/openid/v1/jwks", served.KeysAsync);
        app.MapGet("/api/v1/namespaces/{space}/pods", served.PodsAsync);
        await app.StartAsync(TestContext.Current.CancellationToken);
        return served;
    }

    /// <summary>A recorded response's body.</summary>
    public static JsonObject Body(string recording) => Recording(recording)["response"]!["body"]!.AsObject();

    public async ValueTask DisposeAsync()
    {
        await server.DisposeAsync();
        certificate.Dispose();
    }

    private static JsonObject Recording(string name) => JsonNode.Parse(File.ReadAllText(
        Path.Combine(AppContext.BaseDirectory, "Authentication", "Kubernetes", "Recordings", "kubernetes-1.36", name + ".json")))!.AsObject();

    private async Task ReviewAsync(HttpContext context)
    {
        var asked = (await JsonSerializer.DeserializeAsync<JsonObject>(context.Request.Body, cancellationToken: context.RequestAborted))!;
        Asked.Enqueue(asked);
        await Hold;
        var recording = context.Request.Headers.Authorization.ToString() switch
        {
            "Bearer " + BrokersToken => Recordings.GetValueOrDefault((string)asked["spec"]!["token"]!, "07-review-garbage"),
            "" => "09-review-no-token",
            _ => "08-review-not-allowed",
        };
        await AnswerAsync(context, recording);
    }

    private Task KeysAsync(HttpContext context)
    {
        if (Keys is null || Broken is not null) return AnswerAsync(context, "02-jwks");
        DocumentsAskedWith.Enqueue(context.Request.Headers.Authorization.ToString());
        return context.Response.WriteAsync(Keys, context.RequestAborted);
    }

    private Task AnswerAsync(HttpContext context, string recording)
    {
        var response = Recording(recording)["response"]!;
        if (recording.Contains("review", StringComparison.Ordinal)) Change?.Invoke(response["body"]!.AsObject());
        if (recording.StartsWith("01", StringComparison.Ordinal) && JwksUri is not null) response["body"]!["jwks_uri"] = JwksUri;
        if (recording[1] is '1' or '2' && recording[0] == '0') DocumentsAskedWith.Enqueue(context.Request.Headers.Authorization.ToString());
        context.Response.StatusCode = (int?)Broken ?? (int)response["status"]!;
        context.Response.ContentType = "application/json";

        // The recorded document names the recorded server's port.
        return context.Response.WriteAsync(response["body"]!.ToJsonString().Replace("https://127.0.0.1:16443", Address.OriginalString, StringComparison.Ordinal), context.RequestAborted);
    }
}
