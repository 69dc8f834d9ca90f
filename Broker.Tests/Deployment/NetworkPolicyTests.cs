using System.Net;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Shouldly;
using Xunit;
using YamlDotNet.RepresentationModel;

namespace Broker.Tests.Deployment;

/// <summary>What the network policies let through on platforms that differ, in Kubernetes' form and in Cilium's.</summary>
public sealed class NetworkPolicyTests
{
    private const string Cilium = "k8s/components/cilium/policy.yaml";

    // Resolvers that pods are told to ask: a node's own cache (https://kubernetes.io/docs/tasks/administer-cluster/nodelocaldns), kubespray's, AKS'
    // LocalDNS, Amazon's and GKE's Cloud DNS.
    private static readonly string[] Resolvers = ["169.254.20.10", "169.254.25.10", "169.254.10.11", "169.254.169.253", "169.254.169.254"];

    // Everybody's, kubeadm's, minikube's and MicroK8s'.
    private static readonly string[] ApiServer = ["443", "6443", "8443", "16443"];

    /// <summary>Every policy that keeps pods from going out where they like.</summary>
    public static TheoryData<string> Outgoing =>
        [.. Directory.GetFiles(Repository.PathOf("k8s"), "networkpolicy.yaml", SearchOption.AllDirectories)
            .Select(static file => Path.GetRelativePath(Repository.PathOf(""), file)).Where(static file => Repository.Read(file).Contains("policyTypes: [Ingress, Egress]", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(Outgoing))]
    public void Names_are_resolved_where_the_resolver_has_a_link_local_address(string file)
    {
        var policy = KubernetesYaml.Deserialize<V1NetworkPolicy>(Repository.Read(file), true).Spec;

        foreach (var resolver in Resolvers)
        {
            policy.Egress.Where(rule => rule.To?.Any(to => to.IpBlock is { } block && IPNetwork.Parse(block.Cidr).Contains(IPAddress.Parse(resolver))) == true)
                .SelectMany(static rule => rule.Ports).Select(static port => $"{(string)port.Port} {port.Protocol}").ShouldBe(["53 UDP", "53 TCP"], ignoreOrder: true, resolver);
        }

        policy.Egress.Where(static rule => rule.To is null).SelectMany(static rule => rule.Ports).Select(static port => (string)port.Port).ShouldNotContain("80", "the metadata server's");
    }

    [Fact]
    public void Cilium_resolves_names_there_too()
    {
        var dns = Rules("egress").Where(static rule => Ports(rule).Contains("53")).ToArray();

        dns.ShouldAllBe(static rule => Ports(rule).Length == 1);
        dns.SelectMany(static rule => Values(rule, "toEndpoints")).Select(static to => to["matchLabels"]["k8s:k8s-app"].ToString()).ShouldBe(["kube-dns", "node-local-dns"], ignoreOrder: true);
        var blocks = dns.SelectMany(static rule => Values(rule, "toCIDR")).Select(static cidr => IPNetwork.Parse(cidr.ToString())).ToArray();
        foreach (var resolver in Resolvers) blocks.ShouldContain(block => block.Contains(IPAddress.Parse(resolver)), resolver);
        Rules("egress").SelectMany(Ports).ShouldNotContain("80", "the metadata server's");
    }

    /// <summary>
    /// Where the proxy that reads protocols is off, as on AKS without its advanced networking services, Cilium refuses a whole policy that has such a rule, and
    /// nothing is enforced: https://github.com/Azure/AKS/issues/3797
    /// </summary>
    [Fact]
    public void Cilium_accepts_its_policy_without_a_proxy() =>
        Rules("egress").Concat(Rules("ingress")).SelectMany(static rule => Values(rule, "toPorts")).ShouldAllBe(static to => !((YamlMappingNode)to).Children.ContainsKey("rules"));

    [Fact]
    public void The_API_server_is_reached_at_each_port_that_one_listens_at()
    {
        var policy = KubernetesYaml.Deserialize<V1NetworkPolicy>(Repository.Read("k8s/base/networkpolicy.yaml"), true).Spec;

        policy.Egress.Single(static rule => rule.Ports.Any(static port => (string)port.Port == "443")).Ports.Select(static port => (string)port.Port).ShouldBe(ApiServer, ignoreOrder: true);
        Ports(Rules("egress").Single(static rule => Values(rule, "toEntities").Any(static entity => entity.ToString() == "kube-apiserver"))).ShouldBe(ApiServer, ignoreOrder: true);
    }

    /// <summary>The configurations whose issuers are not the cluster's own.</summary>
    public static IEnumerable<TheoryDataRow<string, int>> IssuersOutside =>
    [
        .. Directory.GetFiles(Repository.PathOf("k8s"), "broker.json", SearchOption.AllDirectories)
            .SelectMany(static file => JsonNode.Parse(File.ReadAllText(file))!["Broker"]!["Identity"]?["Issuers"]?.AsObject().Select(static issuer => (string?)issuer.Value!["Authority"]) ?? [])
            .OfType<string>().Select(static authority => new Uri(authority)).Where(static authority => authority.Host != "kubernetes.default.svc")
            .DistinctBy(static authority => authority.Authority).Select(static authority => new TheoryDataRow<string, int>(authority.Host, authority.Port)),
    ];

    [Theory]
    [MemberData(nameof(IssuersOutside))]
    public void Issuers_outside_of_the_cluster_are_reached(string host, int port)
    {
        var policy = KubernetesYaml.Deserialize<V1NetworkPolicy>(Repository.Read("k8s/base/networkpolicy.yaml"), true).Spec;

        policy.Egress.Where(static rule => rule.To is null).SelectMany(static rule => rule.Ports).Select(static allowed => (string)allowed.Port).ShouldContain($"{port}", host);
        Rules("egress").Where(static rule => Values(rule, "toEntities").Any(static entity => entity.ToString() is "world" or "all")).SelectMany(Ports).ShouldContain($"{port}", host);
    }

    /// <summary>On AKS and GKE they come from pods in kube-system, whose labels differ: https://github.com/tigera/operator/pull/5212</summary>
    [Fact]
    public void Reviews_are_let_in_from_the_agents_by_which_an_API_server_comes()
    {
        const string Webhook = "8443";
        var rule = KubernetesYaml.Deserialize<V1NetworkPolicy>(Repository.Read("k8s/components/admission/networkpolicy.yaml"), true).Spec.Ingress.ShouldHaveSingleItem();
        rule.FromProperty.ShouldContain(static from => from.NamespaceSelector != null && from.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] == "kube-system" && from.PodSelector == null);
        ((string)rule.Ports.ShouldHaveSingleItem().Port).ShouldBe(Webhook);

        Rules("ingress").ShouldContain(static rule => Ports(rule).SequenceEqual(new[] { Webhook }) && Values(rule, "fromEndpoints")
            .Any(static from => from.ToString() == new YamlMappingNode("matchLabels", new YamlMappingNode("k8s:io.kubernetes.pod.namespace", "kube-system")).ToString()));
    }

    private static IEnumerable<YamlNode> Rules(string direction)
    {
        var yaml = new YamlStream();
        yaml.Load(new StringReader(Repository.Read(Cilium)));
        return (YamlSequenceNode)yaml.Documents[0].RootNode["spec"][direction];
    }

    private static IEnumerable<YamlNode> Values(YamlNode rule, string key) =>
        ((YamlMappingNode)rule).Children.TryGetValue(key, out var values) ? (YamlSequenceNode)values : [];

    private static string[] Ports(YamlNode rule) =>
        [.. Values(rule, "toPorts").SelectMany(static to => (YamlSequenceNode)to["ports"]).Select(static port => port["port"].ToString())];
}
