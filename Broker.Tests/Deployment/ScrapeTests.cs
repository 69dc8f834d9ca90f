using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Broker.Tests.Starting;
using LoadTests.Servers.LocalServers;
using Shouldly;
using Xunit;

namespace Broker.Tests.Deployment;

/// <summary>
/// Prometheus is let in as it is shipped: its operator's ServiceMonitor sends the token that is mounted into Prometheus' pod, whose audience is the
/// API server's (kubeadm, kind, minikube and k3s: https://kubernetes.default.svc.cluster.local).
/// </summary>
public sealed class ScrapeTests(SharedServers servers) : IDisposable
{
    private static readonly string[] Watched = ["k8s/base", "k8s/overlays/production-tokenreview", "k8s/overlays/small"];

    private readonly string directory = Directory.CreateTempSubdirectory("broker-scrape-").FullName;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Fact]
    public async Task The_token_that_the_ServiceMonitor_sends_may_see_metrics_and_nothing_else()
    {
        Repository.Read("k8s/components/monitoring/servicemonitor.yaml").ShouldContain("bearerTokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token\n");
        await using var identity = await LocalIdentity.StartAsync(cancellation: TestContext.Current.CancellationToken);
        var configuration = SmallestConfiguration.Of(await servers.PostgresAsync(), directory);
        configuration["Identity"] = IdentityOf("k8s/base");
        foreach (var (_, issuer) in configuration["Identity"]!["Issuers"]!.AsObject())
        {
            issuer!["Authority"] = identity.Authority.OriginalString;
            foreach (var file in new[] { "CaFile", "BearerTokenFile" }) issuer.AsObject().Remove(file);
        }

        await using var broker = await LocalBroker.StartAsync(new() { Configuration = new() { ["Broker"] = configuration } }, TestContext.Current.CancellationToken);
        using var client = new HttpClient { BaseAddress = broker.Address };
        async Task<HttpStatusCode> AskAsync(HttpMethod method, string path, PodTokenSettings who)
        {
            using var request = new HttpRequestMessage(method, path) { Headers = { Authorization = new AuthenticationHeaderValue("Bearer", identity.PodToken(1, who)) } };
            using var answer = await client.SendAsync(request, TestContext.Current.CancellationToken);
            return answer.StatusCode;
        }

        PodTokenSettings prometheus = new() { Namespace = "monitoring", ServiceAccount = "prometheus", Audience = ["https://kubernetes.default.svc.cluster.local", "k3s"] };
        (await AskAsync(HttpMethod.Get, "/metrics", prometheus)).ShouldBe(HttpStatusCode.OK);
        (await AskAsync(HttpMethod.Post, "/api/v1/roles/orders-api/credentials", prometheus)).ShouldBe(HttpStatusCode.Forbidden);
        // Whoever else shows a token for the API server has nothing of it, the role's own pods among them.
        PodTokenSettings pod = new() { Audience = prometheus.Audience };
        (await AskAsync(HttpMethod.Get, "/metrics", pod)).ShouldBe(HttpStatusCode.Forbidden);
        (await AskAsync(HttpMethod.Post, "/api/v1/roles/orders-api/credentials", pod)).ShouldBe(HttpStatusCode.Forbidden);
    }

    [Fact]
    public void Every_configuration_that_is_scraped_lets_the_same_in()
    {
        var wanted = IdentityOf(Watched[0]);
        foreach (var identity in Watched.Select(IdentityOf))
        {
            identity["Viewers"]!.ToJsonString().ShouldBe(wanted["Viewers"]!.ToJsonString());
            identity["Issuers"]!.AsObject().Select(issuer => (issuer.Key, (string?)issuer.Value!["Audience"]))
                .ShouldBe(wanted["Issuers"]!.AsObject().Select(issuer => (issuer.Key, (string?)issuer.Value!["Audience"])));
        }
    }

    private static JsonObject IdentityOf(string folder) =>
        JsonNode.Parse(Repository.Read($"{folder}/broker.json"))!["Broker"]!["Identity"]!.DeepClone().AsObject();
}
