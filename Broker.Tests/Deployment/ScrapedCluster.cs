using System.Text.Json.Nodes;
using k8s.Models;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Broker.Tests.Deployment;

/// <summary>As much of an API server as <c>k8s/components/openshift/scraper.yaml</c> speaks to: makes a token, and takes what is written into a Secret, where the rights say so.</summary>
internal sealed class ScrapedCluster : IAsyncDisposable
{
    private readonly WebApplication app;

    private ScrapedCluster(WebApplication app) => this.app = app;

    public Uri Address => new(app.Urls.Single());

    public string Token { get; } = "header.payload-of-the_scraper.signature";

    public List<string> Bearers { get; } = [];

    /// <summary>Whose token was asked for, for whom, and for how many seconds.</summary>
    public (string Account, string Audience, int Seconds)? Asked { get; private set; }

    /// <summary>The Secret, the key and the value.</summary>
    public (string Secret, string Key, string Value) Written { get; private set; }

    public static async Task<ScrapedCluster> StartAsync(IList<V1PolicyRule> rights, CancellationToken cancellation)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        var cluster = new ScrapedCluster(app);
        bool May(string verb, string resource, string name) => rights.Any(rule => rule.Verbs.Contains(verb) && rule.Resources.Contains(resource) && rule.ResourceNames.Contains(name));

        app.MapPost("/api/v1/namespaces/broker/serviceaccounts/{account}/token", async (string account, HttpRequest request) =>
        {
            cluster.Bearers.Add(request.Headers.Authorization.ToString());
            if (!May("create", "serviceaccounts/token", account)) return Results.StatusCode(403);
            var asked = (await JsonNode.ParseAsync(request.Body))!["spec"]!;
            cluster.Asked = (account, (string)asked["audiences"]!.AsArray().Single()!, (int)asked["expirationSeconds"]!);
            return Results.Text($$"""
                {
                  "kind": "TokenRequest",
                  "metadata": { "managedFields": [ { "subresource": "token" } ] },
                  "status": {
                    "token": "{{cluster.Token}}",
                    "expirationTimestamp": "2026-01-01T03:00:00Z"
                  }
                }
                """, "application/json", statusCode: 201);
        });
        app.MapPatch("/api/v1/namespaces/broker/secrets/{secret}", async (string secret, HttpRequest request) =>
        {
            cluster.Bearers.Add(request.Headers.Authorization.ToString());
            if (!May("patch", "secrets", secret) || request.ContentType != "application/merge-patch+json") return Results.StatusCode(403);
            var written = (await JsonNode.ParseAsync(request.Body))!["stringData"]!.AsObject().Single();
            cluster.Written = (secret, written.Key, (string)written.Value!);
            return Results.Ok();
        });
        await app.StartAsync(cancellation);
        return cluster;
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();
}
