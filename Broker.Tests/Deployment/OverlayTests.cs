using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Broker.Api.Fronts.Admission;
using Broker.Core.Catalog;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Configuration;
using Shouldly;
using Xunit;
using YamlDotNet.RepresentationModel;

namespace Broker.Tests.Deployment;

/// <summary>Every overlay builds, is read strictly by Kubernetes' own types, and goes together with itself.</summary>
public sealed partial class OverlayTests
{
    // Kinds that are in no namespace.
    private static readonly string[] Everywhere = ["Namespace", "PriorityClass", "ClusterRoleBinding", "ValidatingWebhookConfiguration"];

    // Kinds that other programs define; Kubernetes' own types do not know them.
    private static readonly string[] Foreign = ["Certificate", "ServiceMonitor", "PrometheusRule", "CiliumNetworkPolicy"];

    public static TheoryData<string> Overlays =>
        [.. Directory.GetDirectories(Repository.PathOf("k8s/overlays")).Select(directory => Path.GetFileName(directory)!).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task An_overlay_builds_and_its_parts_go_together(string overlay)
    {
        var (objects, foreign) = await BuildAsync(overlay);
        foreign.Keys.ShouldBeSubsetOf(Foreign);
        var broker = objects.OfType<V1Deployment>().ShouldHaveSingleItem();
        var pod = broker.Spec.Template;
        var container = pod.Spec.Containers.ShouldHaveSingleItem();
        var port = container.Ports.ShouldHaveSingleItem();

        foreach (var meta in objects.Cast<IMetadata<V1ObjectMeta>>()) meta.Metadata.Labels.ShouldContainKey("app.kubernetes.io/name");
        objects.OfType<V1Service>().Single().Spec.Selector.ShouldBeSubsetOf(pod.Metadata.Labels);
        ((string)objects.OfType<V1Service>().Single().Spec.Ports.Single().TargetPort).ShouldBe(port.Name);
        objects.OfType<V1PriorityClass>().SingleOrDefault()?.Name().ShouldBe(pod.Spec.PriorityClassName);
        foreach (var probe in new[] { container.StartupProbe, container.LivenessProbe, container.ReadinessProbe })
            ((string)probe.HttpGet.Port).ShouldBe(port.Name);
        var secure = container.Env.Any(variable => variable is { Name: "ASPNETCORE_HTTPS_PORTS", Value: "8443" });
        (secure ? 8443 : 8080).ShouldBe(port.ContainerPort);
        container.ReadinessProbe.HttpGet.Scheme.ShouldBe(secure ? "HTTPS" : "HTTP");
        foreach (var policy in objects.OfType<V1NetworkPolicy>())
            ((string)policy.Spec.Ingress.Single().Ports.Single().Port).ShouldBe($"{port.ContainerPort}");

        // What is mounted is there, and what is there is mounted.
        container.VolumeMounts.Select(mount => mount.Name).ShouldBe(pod.Spec.Volumes.Select(volume => volume.Name), ignoreOrder: true);
        pod.Spec.Volumes.Single(volume => volume.Name == "config").ConfigMap.Name.ShouldBe(objects.OfType<V1ConfigMap>().Single(map => map.Data.ContainsKey("broker.json")).Name());
        foreach (var binding in objects.OfType<V1ClusterRoleBinding>())
            binding.Subjects.Single().NamespaceProperty.ShouldBe(broker.Namespace(), binding.Name());
    }

    /// <summary>Whoever deletes one overlay must not take away what another stands on.</summary>
    [Fact]
    public async Task What_is_in_no_namespace_belongs_to_overlays_of_one_namespace()
    {
        var owners = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var overlay in Overlays.Select(static row => row.Data))
        {
            var objects = await DocumentsAsync(overlay);
            var broker = NamespaceOf(objects.Single(static each => each["kind"].ToString() == "Deployment"))!;
            foreach (var name in objects.Where(static each => Everywhere.Contains(each["kind"].ToString())).Select(static each => $"{each["kind"]} {each["metadata"]["name"]}"))
            {
                owners.TryAdd(name, broker);
                owners[name].ShouldBe(broker, $"{name} of {overlay}");
            }
        }

        owners.Values.Distinct().Count().ShouldBeGreaterThan(1);
    }

    /// <summary>An audit with its default limits keeps more than a ledger's volume has, and a full volume refuses every claim.</summary>
    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task An_audit_fills_no_volume_and_is_signed_wherever_it_counts(string overlay)
    {
        var (objects, _) = await BuildAsync(overlay);
        var audit = JsonNode.Parse(objects.OfType<V1ConfigMap>().Single(map => map.Data.ContainsKey("broker.json")).Data["broker.json"])!["Broker"]!["Audit"]!;

        ((string?)audit["Path"]).ShouldBe("-");
        (audit["SigningKeyFile"] is not null, audit["HashKeyFile"] is not null).ShouldBe(overlay == "development" ? (false, false) : (true, true));
    }

    /// <summary>A cluster's own addresses have certificates of an authority that no image knows.</summary>
    [Fact]
    public void Each_address_within_the_cluster_comes_with_a_mounted_authority()
    {
        var mounts = KubernetesYaml.LoadAllFromString(Repository.Read("k8s/base/deployment.yaml"), null, true).OfType<V1Deployment>().Single()
            .Spec.Template.Spec.Containers.Single().VolumeMounts.Select(static mount => mount.MountPath + "/").ToArray();
        var addresses = 0;
        foreach (var file in Directory.GetFiles(Repository.PathOf("k8s"), "broker.json", SearchOption.AllDirectories))
        {
            foreach (var group in Groups(JsonNode.Parse(File.ReadAllText(file))!))
            {
                foreach (var address in group.Select(static entry => entry.Value).OfType<JsonValue>().Select(static value => value.ToString()).Where(static text => InCluster().IsMatch(text)))
                {
                    addresses++;
                    var authority = ((string?)group["CaFile"]).ShouldNotBeNull($"{file}: {address}");
                    mounts.ShouldContain(mount => authority.StartsWith(mount, StringComparison.Ordinal), $"{file}: {address}");
                }
            }
        }

        addresses.ShouldBeGreaterThan(10);

        static IEnumerable<JsonObject> Groups(JsonNode node) => node switch
        {
            JsonObject group => group.Select(static entry => entry.Value).OfType<JsonNode>().SelectMany(Groups).Prepend(group),
            JsonArray all => all.OfType<JsonNode>().SelectMany(Groups),
            _ => [],
        };
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task Each_object_of_an_overlay_is_in_the_brokers_namespace(string overlay)
    {
        var objects = await DocumentsAsync(overlay);
        var broker = NamespaceOf(objects.Single(static each => each["kind"].ToString() == "Deployment")).ShouldNotBeNull();

        foreach (var each in objects.Where(static each => !Everywhere.Contains(each["kind"].ToString())))
        {
            // Who may see the pods of a namespace is said in that namespace.
            var name = each["metadata"]["name"].ToString();
            NamespaceOf(each).ShouldBe(name == "broker-pods-reader" ? "orders" : broker, $"{each["kind"]} {name}");
        }
    }

    [Fact]
    public async Task Whoever_watches_pods_may_list_and_watch_them_and_nothing_else()
    {
        var (objects, _) = await BuildAsync("production-tokenreview");

        var rule = objects.OfType<V1Role>().ShouldHaveSingleItem().Rules.ShouldHaveSingleItem();
        (string.Join(',', rule.ApiGroups), string.Join(',', rule.Resources), string.Join(',', rule.Verbs)).ShouldBe(("", "pods", "list,watch"));
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task The_broker_believes_an_overlays_configuration_and_finds_every_file_of_it_mounted(string overlay)
    {
        var (objects, _) = await BuildAsync(overlay);
        var pod = objects.OfType<V1Deployment>().Single().Spec.Template.Spec;
        var json = objects.OfType<V1ConfigMap>().Single(map => map.Data.ContainsKey("broker.json")).Data["broker.json"];
        var mounts = pod.Containers[0].VolumeMounts.Select(mount => mount.MountPath).ToArray();
        var root = Directory.CreateTempSubdirectory("broker-overlay-").FullName;
        try
        {
            foreach (Match file in MountedFile().Matches(json))
            {
                mounts.ShouldContain(mount => file.Groups[1].Value.StartsWith(mount + "/", StringComparison.Ordinal), file.Value);
                var path = root + file.Groups[1].Value;
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                await File.WriteAllTextAsync(path, ContentOf(path), TestContext.Current.CancellationToken);
            }

            using var stream = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(MountedFile().Replace(json, $"\"{root}$1\"")));
            CatalogReader.Read(new ConfigurationBuilder().AddJsonStream(stream).Build()).Errors.ShouldBeEmpty();
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    [Fact]
    public void The_operators_rules_are_the_rules()
    {
        var own = Load(Repository.Read("docs/alerts/broker.rules.yml"));
        var wrapped = Load(Repository.Read("k8s/components/monitoring/prometheusrule.yaml"));

        wrapped["spec"]["groups"].ToString().ShouldBe(own["groups"].ToString());
    }

    [Fact]
    public async Task Prometheus_comes_to_the_port_that_the_service_has()
    {
        var (objects, foreign) = await BuildAsync("production");

        var endpoint = foreign["ServiceMonitor"]["spec"]["endpoints"][0];
        endpoint["port"].ToString().ShouldBe(objects.OfType<V1Service>().Single().Spec.Ports.Single().Name);
        endpoint["path"].ToString().ShouldBe("/metrics");
        var certificate = foreign["Certificate"]["spec"];
        var pod = objects.OfType<V1Deployment>().Single().Spec.Template.Spec;
        certificate["secretName"].ToString().ShouldBe(pod.Volumes.Single(volume => volume.Name == "tls").Secret.SecretName);
        ((YamlSequenceNode)certificate["dnsNames"]).Select(name => name.ToString()).ShouldContain(endpoint["tlsConfig"]["serverName"].ToString());
    }

    [Fact]
    public async Task The_admission_webhook_comes_to_the_broker_with_what_it_looks_at_and_fails_open()
    {
        var (objects, foreign) = await BuildAsync("production-admission");

        var webhook = objects.OfType<V1ValidatingWebhookConfiguration>().ShouldHaveSingleItem();
        var review = webhook.Webhooks.ShouldHaveSingleItem();
        var service = objects.OfType<V1Service>().Single();
        var called = review.ClientConfig.Service;
        (called.Name, called.NamespaceProperty, called.Port).ShouldBe((service.Name(), service.Namespace(), service.Spec.Ports.Single().Port));
        called.Path.ShouldBe(AdmissionApi.Path);
        (review.FailurePolicy, review.SideEffects, review.TimeoutSeconds).ShouldBe(("Ignore", "None", 1));
        review.AdmissionReviewVersions.ShouldBe(["v1"]);
        review.Rules.SelectMany(rule => rule.Resources.Select(resource => $"{rule.ApiGroups.Single()}/{rule.ApiVersions.Single()} {resource}"))
            .ShouldBe(["apps/v1 deployments", "apps/v1 statefulsets", "batch/v1 jobs", "batch/v1 cronjobs", "autoscaling/v2 horizontalpodautoscalers"]);
        review.Rules.ShouldAllBe(rule => rule.Operations.SequenceEqual(new[] { "CREATE", "UPDATE" }));
        webhook.Annotations()["cert-manager.io/inject-ca-from"].ShouldBe($"{foreign["Certificate"]["metadata"]["namespace"]}/{foreign["Certificate"]["metadata"]["name"]}");

        var mode = objects.OfType<V1Deployment>().Single().Spec.Template.Spec.Containers.Single().Env.Single(variable => variable.Name == "Broker__Admission__Mode").Value;
        var json = objects.OfType<V1ConfigMap>().Single(map => map.Data.ContainsKey("broker.json")).Data["broker.json"];
        JsonNode.Parse(json)!["Broker"]!["Admission"].ShouldBeNull("the environment says it");
        CatalogReader.Read(new ConfigurationBuilder().AddInMemoryCollection([new("Broker:Admission:Mode", mode)]).Build()).Errors.ShouldNotContain(error => error.ToString().Contains("Admission", StringComparison.Ordinal));
        mode.ShouldBe(nameof(AdmissionMode.Warn));
    }

    /// <summary>What stands in for a mounted file.</summary>
    internal static string ContentOf(string path)
    {
        if (path.EndsWith(".pem", StringComparison.Ordinal))
        {
            using var signing = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            return signing.ExportECPrivateKeyPem();
        }

        if (!path.EndsWith(".crt", StringComparison.Ordinal)) return "Host=db;Username=broker";
        using var key = RSA.Create(2048);
        return new CertificateRequest("CN=test", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            .CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(100)).ExportCertificatePem();
    }

    private static async Task<(IReadOnlyList<object> Objects, IReadOnlyDictionary<string, YamlNode> Foreign)> BuildAsync(string overlay)
    {
        var objects = new List<object>();
        var foreign = new Dictionary<string, YamlNode>(StringComparer.Ordinal);
        foreach (var (document, root) in await TextsAsync(overlay))
        {
            var kind = root["kind"].ToString();
            if (Foreign.Contains(kind)) foreign[kind] = root;
            else objects.AddRange(KubernetesYaml.LoadAllFromString(document, null, true));
        }

        return (objects, foreign);
    }

    private static async Task<IReadOnlyList<YamlNode>> DocumentsAsync(string overlay) => [.. (await TextsAsync(overlay)).Select(static document => document.Root)];

    private static async Task<IReadOnlyList<(string Text, YamlNode Root)>> TextsAsync(string overlay) =>
        [.. (await Programs.KustomizeAsync(Repository.PathOf($"k8s/overlays/{overlay}"))).Split("\n---\n").Select(static text => (text, Load(text)))];

    private static string? NamespaceOf(YamlNode each) =>
        ((YamlMappingNode)each["metadata"]).Children.TryGetValue("namespace", out var space) ? space.ToString() : null;

    private static YamlNode Load(string text)
    {
        var yaml = new YamlStream();
        yaml.Load(new StringReader(text));
        return yaml.Documents[0].RootNode;
    }

    [GeneratedRegex(@"^https://[^/]+\.svc(?:[:/]|$)")]
    private static partial Regex InCluster();

    [GeneratedRegex("\"(/(?:etc|var)/[^\"]+)\"")]
    private static partial Regex MountedFile();
}
