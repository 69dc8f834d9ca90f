using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Broker.Tests.Starting;
using k8s;
using k8s.Models;
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
        PodTokenSettings prometheus = new() { Namespace = "monitoring", ServiceAccount = "prometheus", Audience = ["https://kubernetes.default.svc.cluster.local", "k3s"] };
        await MaySeeMetricsAloneAsync("k8s/base", prometheus);
    }

    /// <summary>OpenShift's monitoring of user projects takes no token of a file.</summary>
    [Fact]
    public async Task The_token_that_OpenShifts_ServiceMonitor_sends_may_see_metrics_and_nothing_else()
    {
        var built = await Programs.KustomizeAsync(Repository.PathOf("k8s/overlays/openshift"));
        built.ShouldNotContain("bearerTokenFile", Case.Sensitive);
        built.ShouldContain("  - authorization:\n      credentials:\n        key: token\n        name: broker-scraper\n");
        await MaySeeMetricsAloneAsync("k8s/overlays/openshift", new() { Namespace = "broker", ServiceAccount = "broker-scraper" });
    }

    /// <summary>As its CronJob's container runs it, against an API server that answers as one does to curl, in many lines.</summary>
    [Fact]
    public async Task The_Secret_that_OpenShifts_ServiceMonitor_names_is_kept_fresh()
    {
        var scraper = KubernetesYaml.LoadAllFromString(Repository.Read("k8s/components/openshift/scraper.yaml"), null, true);
        var secret = scraper.OfType<V1Secret>().ShouldHaveSingleItem();
        var job = scraper.OfType<V1CronJob>().ShouldHaveSingleItem().Spec.JobTemplate.Spec.Template.Spec;
        job.ServiceAccountName.ShouldBe(scraper.OfType<V1ServiceAccount>().ShouldHaveSingleItem().Name());
        var rights = scraper.OfType<V1Role>().ShouldHaveSingleItem().Rules;
        await using var cluster = await ScrapedCluster.StartAsync(rights, TestContext.Current.CancellationToken);
        foreach (var (file, text) in new[] { ("namespace", "broker"), ("token", "the-jobs-own"), ("ca.crt", "") }) await File.WriteAllTextAsync(Path.Combine(directory, file), text, TestContext.Current.CancellationToken);

        var command = job.Containers.ShouldHaveSingleItem().Command;
        await TestProgram.RunAsync(
            command[0], [.. command.Skip(1).Select(word => word.Replace("/var/run/secrets/kubernetes.io/serviceaccount", directory, StringComparison.Ordinal))], "apt-get install curl",
            environment: new Dictionary<string, string?> { ["API"] = cluster.Address.OriginalString.TrimEnd('/') });

        cluster.Bearers.ShouldBe(["Bearer the-jobs-own", "Bearer the-jobs-own"]);
        var (account, audience, seconds) = cluster.Asked.ShouldNotBeNull();
        (account, audience).ShouldBe((job.ServiceAccountName, "broker"));
        seconds.ShouldBeGreaterThan(2 * 3600, "the job may miss an hour");
        cluster.Written.ShouldBe((secret.Name(), "token", cluster.Token));
    }

    private async Task MaySeeMetricsAloneAsync(string folder, PodTokenSettings prometheus)
    {
        await using var identity = await LocalIdentity.StartAsync(cancellation: TestContext.Current.CancellationToken);
        var configuration = SmallestConfiguration.Of(await servers.PostgresAsync(), directory);
        configuration["Identity"] = IdentityOf(folder);
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

        (await AskAsync(HttpMethod.Get, "/metrics", prometheus)).ShouldBe(HttpStatusCode.OK);
        (await AskAsync(HttpMethod.Post, "/api/v1/roles/orders-api/credentials", prometheus)).ShouldBe(HttpStatusCode.Forbidden);
        // Whoever else shows a token for the same has nothing of it, the role's own pods among them.
        PodTokenSettings pod = new() { Audience = prometheus.Audience };
        (await AskAsync(HttpMethod.Get, "/metrics", pod)).ShouldBe(HttpStatusCode.Forbidden);
        if (!pod.Audience.Contains("broker")) (await AskAsync(HttpMethod.Post, "/api/v1/roles/orders-api/credentials", pod)).ShouldBe(HttpStatusCode.Forbidden);
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
