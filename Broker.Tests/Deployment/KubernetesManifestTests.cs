using System.Text.Json;
using System.Text.Json.Nodes;
using Broker.Core.Catalog;
using k8s;
using k8s.Models;
using Shouldly;
using Xunit;

namespace Broker.Tests.Deployment;

public class KubernetesManifestTests
{
    private const int Port = 8443;

    private static readonly object[] Objects = [.. new[] { "k8s/base", "k8s/examples" }
        .SelectMany(directory => Directory.GetFiles(Repository.PathOf(directory), "*.yaml", SearchOption.AllDirectories))
        .Where(file => Path.GetFileName(file) != "kustomization.yaml")
        // Strict: a field that Kubernetes does not know is an error, not silently left out.
        .SelectMany(file => KubernetesYaml.LoadAllFromString(File.ReadAllText(file), null, true))];

    private static readonly V1Deployment Broker = Objects.OfType<V1Deployment>().Single(deployment => deployment.Name() == "broker");

    private static readonly V1Container Container = Broker.Spec.Template.Spec.Containers.ShouldHaveSingleItem();

    [Fact]
    public void Every_file_of_the_base_is_in_its_kustomization()
    {
        var kustomization = Repository.Read("k8s/base/kustomization.yaml");
        foreach (var file in Directory.GetFiles(Repository.PathOf("k8s/base")).Select(Path.GetFileName).Where(name => name != "kustomization.yaml"))
            kustomization.ShouldContain($"- {file}\n");
    }

    [Fact]
    public void No_shipped_configuration_believes_forwarded_addresses_of_a_network_it_cannot_know()
    {
        var files = Directory.GetFiles(Repository.PathOf("k8s"), "broker.json", SearchOption.AllDirectories);
        files.Length.ShouldBeGreaterThan(2);
        foreach (var broker in files.Select(file => JsonNode.Parse(File.ReadAllText(file), documentOptions: new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true })!["Broker"]!.AsObject()))
            (broker.ContainsKey("Proxies"), broker.ContainsKey("ProxyHops")).ShouldBe((false, false));
    }

    [Fact]
    public void The_base_names_no_namespace()
    {
        // The subject of a cluster role binding has to have one; kustomize replaces it.
        foreach (var meta in Objects.Cast<IMetadata<V1ObjectMeta>>().Where(each => each.Metadata.Name.StartsWith("broker", StringComparison.Ordinal)))
            meta.Metadata.NamespaceProperty.ShouldBeNull($"{meta.Metadata.Name} is in a namespace");
    }

    [Fact]
    public void Every_object_has_the_recommended_labels()
    {
        foreach (var each in Objects.Cast<IMetadata<V1ObjectMeta>>())
            each.Metadata.Labels.ShouldContainKey("app.kubernetes.io/name", $"{each.Metadata.Name} has no name label");
    }

    [Fact]
    public void Every_selector_selects_the_brokers_pods()
    {
        foreach (var deployment in Objects.OfType<V1Deployment>())
            deployment.Spec.Selector.MatchLabels.ShouldBeSubsetOf(deployment.Spec.Template.Metadata.Labels);

        var labels = Broker.Spec.Template.Metadata.Labels;
        Objects.OfType<V1Service>().Single().Spec.Selector.ShouldBeSubsetOf(labels);
        Objects.OfType<V1PodDisruptionBudget>().Single().Spec.Selector.MatchLabels.ShouldBeSubsetOf(labels);
        Objects.OfType<V1NetworkPolicy>().Single().Spec.PodSelector.MatchLabels.ShouldBeSubsetOf(labels);
        Broker.Spec.Template.Spec.TopologySpreadConstraints.Count.ShouldBe(2);
        foreach (var spread in Broker.Spec.Template.Spec.TopologySpreadConstraints) spread.LabelSelector.MatchLabels.ShouldBeSubsetOf(labels);
    }

    [Fact]
    public void No_container_runs_as_root_or_may_become_it()
    {
        foreach (var pod in Objects.OfType<V1Deployment>().Select(deployment => deployment.Spec.Template.Spec))
        {
            pod.SecurityContext.RunAsNonRoot.ShouldBe(true);
            pod.SecurityContext.RunAsUser.ShouldNotBeNull().ShouldBeGreaterThan(0);
            pod.SecurityContext.SeccompProfile.Type.ShouldBe("RuntimeDefault");
            pod.AutomountServiceAccountToken.ShouldBe(false);
            foreach (var security in pod.Containers.Concat(pod.InitContainers ?? []).Select(container => container.SecurityContext))
            {
                security.AllowPrivilegeEscalation.ShouldBe(false);
                security.ReadOnlyRootFilesystem.ShouldBe(true);
                security.Capabilities.Drop.ShouldBe(["ALL"]);
                security.Capabilities.Add.ShouldBeNull();
                security.Privileged.ShouldBeNull();
                security.RunAsUser.ShouldBeNull();
            }
        }
    }

    [Fact]
    public void Probes_ask_the_health_endpoints_at_the_port_the_image_listens_on()
    {
        Container.StartupProbe.HttpGet.Path.ShouldBe("/health/live");
        Container.LivenessProbe.HttpGet.Path.ShouldBe("/health/live");
        Container.ReadinessProbe.HttpGet.Path.ShouldBe("/health/ready");
        var port = Container.Ports.ShouldHaveSingleItem();
        port.ContainerPort.ShouldBe(Port);
        foreach (var probe in new[] { Container.StartupProbe, Container.LivenessProbe, Container.ReadinessProbe }) ((string)probe.HttpGet.Port).ShouldBe(port.Name);
        ((string)Objects.OfType<V1Service>().Single().Spec.Ports.ShouldHaveSingleItem().TargetPort).ShouldBe(port.Name);
        // TLS alone: the image's own plain port is switched off.
        Container.Env.Single(variable => variable.Name == "ASPNETCORE_HTTPS_PORTS").Value.ShouldBe($"{Port}");
        Container.Env.Single(variable => variable.Name == "ASPNETCORE_HTTP_PORTS").Value.ShouldBeEmpty();
        foreach (var probe in new[] { Container.StartupProbe, Container.LivenessProbe, Container.ReadinessProbe }) probe.HttpGet.Scheme.ShouldBe("HTTPS");
        Repository.Read("Dockerfile").ShouldContain($"EXPOSE 8080 {Port}");
    }

    [Fact]
    public void A_rollout_never_has_fewer_brokers_than_before_and_a_drained_node_leaves_two()
    {
        var rolling = Broker.Spec.Strategy.RollingUpdate;
        ((string)rolling.MaxUnavailable).ShouldBe("0");
        ((string)rolling.MaxSurge).ShouldBe("1");
        Broker.Spec.Replicas.ShouldBeNull("the autoscaler says how many there are");
        var autoscaler = Objects.OfType<V2HorizontalPodAutoscaler>().Single().Spec;
        (autoscaler.ScaleTargetRef.Kind, autoscaler.ScaleTargetRef.Name, autoscaler.MinReplicas).ShouldBe(("Deployment", Broker.Name(), 3));
        var budget = Objects.OfType<V1PodDisruptionBudget>().Single().Spec;
        ((string)budget.MinAvailable).ShouldBe("2");
        budget.UnhealthyPodEvictionPolicy.ShouldBe("AlwaysAllow", "a replica that starts while Redis is away is not ready, and a drain of its node would hang");
    }

    [Fact]
    public void The_network_policy_denies_what_it_does_not_name()
    {
        var policy = Objects.OfType<V1NetworkPolicy>().Single().Spec;
        policy.PolicyTypes.ShouldBe(["Ingress", "Egress"]);
        var ingress = policy.Ingress.ShouldHaveSingleItem();
        ingress.FromProperty.ShouldHaveSingleItem().NamespaceSelector.MatchLabels.ShouldNotBeEmpty();
        ((string)ingress.Ports.ShouldHaveSingleItem().Port).ShouldBe($"{Port}");
        foreach (var egress in policy.Egress) egress.Ports.ShouldNotBeEmpty();
        // DNS, API server, Vault, Redis and its Sentinels, PostgreSQL, PgBouncer, MySQL, MongoDB, syslog, OTLP.
        policy.Egress.SelectMany(egress => egress.Ports).Select(port => (string)port.Port).Distinct().ShouldBe(
            ["53", "5353", "443", "6443", "8443", "16443", "8200", "6379", "6380", "26379", "5432", "6432", "3306", "27017", "514", "6514", "4317", "4318"], ignoreOrder: true);
    }

    [Fact]
    public void The_broker_believes_its_configuration_and_every_file_in_it_is_mounted()
    {
        var mounted = Directory.CreateTempSubdirectory("broker-mounted-").FullName;
        try
        {
            var mounts = Container.VolumeMounts.ToDictionary(mount => mount.Name, mount => mount.MountPath);
            var projected = Broker.Spec.Template.Spec.Volumes.Where(volume => volume.Projected is not null).SelectMany(volume => volume.Projected.Sources)
                .SelectMany(source => source.ServiceAccountToken is { } token ? [token.Path] : source.ConfigMap.Items.Select(item => item.Path));
            foreach (var file in projected.Append("orders").Append("redis").Append("tls.crt").Append("tls.key").Append("signing.pem").Append("hash"))
                File.WriteAllText(Path.Combine(mounted, file), OverlayTests.ContentOf(file));

            var reading = Repository.ReadConfiguration("k8s/base/broker.json", mounted,
                mounts["tokens"], mounts["api-access"], mounts["databases"], mounts["ledger"], mounts["sealing"], mounts["tls"], mounts["audit"], mounts["vault-ca"]);

            reading.Errors.ShouldBeEmpty();
            mounts["config"].ShouldBe("/app/config");
            Repository.Read("Dockerfile").ShouldContain("BROKER_CONFIG=/app/config/broker.json");
        }
        finally
        {
            Directory.Delete(mounted, recursive: true);
        }
    }

    [Fact]
    public void What_is_read_of_an_API_server_where_nothing_else_is_said_is_mounted()
    {
        // "TokenReview": {} and "Pods": {}, as k8s/README.md has it.
        var defaults = new TokenReviewSettings();
        var mounted = Broker.Spec.Template.Spec.Volumes.Where(volume => volume.Projected is not null).SelectMany(volume => volume.Projected.Sources
            .SelectMany(source => source.ServiceAccountToken is { } token ? [(token.Path, token.Audience)] : source.ConfigMap.Items.Select(item => (item.Path, Audience: (string?)null)))
            .Select(file => (Path: $"{Container.VolumeMounts.Single(mount => mount.Name == volume.Name).MountPath}/{file.Path}", file.Audience))).ToList();

        mounted.ShouldContain((defaults.TokenFile, null), "a token for the API server has no other audience");
        mounted.ShouldContain((defaults.CaFile, null));
    }

    [Fact]
    public void The_example_client_asks_for_a_role_it_may_have_with_a_token_for_the_broker()
    {
        var client = Objects.OfType<V1Deployment>().Single(deployment => deployment.Name() == "orders-api");
        var configuration = Repository.Read("k8s/base/broker.json");

        var token = client.Spec.Template.Spec.Volumes.Single(volume => volume.Projected is not null).Projected.Sources.ShouldHaveSingleItem().ServiceAccountToken;
        configuration.ShouldContain($"\"Audience\": \"{token.Audience}\"");
        configuration.ShouldContain($"\"namespace\": \"{client.Namespace()}\", \"serviceaccount\": \"{client.Spec.Template.Spec.ServiceAccountName}\"");
        client.Spec.Template.Spec.Containers[0].Command[^1].ShouldContain("/api/v1/roles/orders-api/credentials");
    }
}
