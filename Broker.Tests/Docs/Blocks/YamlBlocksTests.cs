using System.Text.RegularExpressions;
using Broker.Tests.Deployment;
using k8s;
using k8s.Models;
using Shouldly;
using Xunit;

namespace Broker.Tests.Docs.Blocks;

/// <summary>YAML in a document is read strictly by Kubernetes' own types, or builds with kustomize, and names what the shipped manifests have.</summary>
public sealed partial class YamlBlocksTests
{
    private static readonly string[] Kustomizations = [.. DocumentBlock.NamesOf("yaml").Where(name => DocumentBlock.Named(name).Text.Contains("kind: Kustomization", StringComparison.Ordinal))];

    public static TheoryData<string> Manifests => [.. DocumentBlock.NamesOf("yaml").Except(Kustomizations)];

    [Theory]
    [MemberData(nameof(Manifests))]
    public void A_manifest_is_read_strictly(string name)
    {
        var objects = KubernetesYaml.LoadAllFromString(DocumentBlock.Named(name).Text, null, true);

        objects.ShouldNotBeEmpty();
        foreach (var each in objects)
        {
            switch (each)
            {
                case V1RoleBinding binding:
                    (binding.RoleRef.Kind, binding.RoleRef.Name).ShouldBe(("Role", objects.OfType<V1Role>().ShouldHaveSingleItem().Name()));
                    var subject = binding.Subjects.ShouldHaveSingleItem();
                    (subject.Kind, subject.Name, subject.NamespaceProperty).ShouldBe(("ServiceAccount", "broker", "broker"));
                    Repository.Read("k8s/base/serviceaccount.yaml").ShouldContain($"name: {subject.Name}\n");
                    break;
                case V1Role role:
                    role.Rules.ShouldHaveSingleItem().Resources.ShouldBe(["pods"]);
                    role.Rules[0].Verbs.ShouldBe(["list", "watch"]);
                    break;
                default:
                    Assert.Fail($"{name} has a {each.GetType().Name}, of which this test knows nothing.");
                    break;
            }
        }
    }

    /// <summary>In documents, manifests and clients to copy.</summary>
    [Fact]
    public void Whoever_is_pointed_at_the_broker_is_pointed_at_its_service()
    {
        var service = KubernetesYaml.Deserialize<V1Service>(Repository.Read("k8s/base/service.yaml"), true);
        var port = service.Spec.Ports.ShouldHaveSingleItem();
        (port.Name, port.Port).ShouldBe(("https", 443), "an address without a port is right");

        var files = DocumentBlock.OfToday.Concat(new[] { "docs/clients", "k8s" }
            .SelectMany(folder => Directory.GetFiles(Repository.PathOf(folder), "*", SearchOption.AllDirectories)));
        var named = files.SelectMany(file => Address().Matches(Repository.Read(file)).Select(match => (file, match.Value))).ToArray();
        named.Length.ShouldBeGreaterThan(15);
        // Through a tunnel the name is the same, for the certificate's sake, and the port the tunnel's.
        var tunnel = $"port-forward service/{service.Name()} 8443:{port.Port} ";
        named.Where(one => one.Value != $"https://{service.Name()}.broker.svc"
            && !(one.Value == $"https://{service.Name()}.broker.svc:8443" && Repository.Read(one.file).Contains(tunnel, StringComparison.Ordinal))).ShouldBeEmpty();
    }

    /// <summary>Over whichever overlay it is written: what belongs to other namespaces stays there.</summary>
    [Theory]
    [InlineData("production")]
    [InlineData("production-tokenreview")]
    [InlineData("production-admission")]
    [InlineData("cilium")]
    [InlineData("openshift")]
    [InlineData("small")]
    public async Task A_kustomization_builds_beside_the_shipped_manifests(string overlay)
    {
        var work = Directory.CreateTempSubdirectory("broker-documented-").FullName;
        try
        {
            var name = Kustomizations.ShouldHaveSingleItem();
            Copy(Repository.PathOf("k8s"), Path.Combine(work, "k8s"));
            var mine = Directory.CreateDirectory(Path.Combine(work, "my-broker")).FullName;
            await File.WriteAllTextAsync(Path.Combine(mine, "kustomization.yaml"), DocumentBlock.Named(name).Text.Replace("/overlays/production]", $"/overlays/{overlay}]", StringComparison.Ordinal), TestContext.Current.CancellationToken);
            await File.WriteAllTextAsync(Path.Combine(mine, "broker.json"), "{\"mine\": 1}", TestContext.Current.CancellationToken);

            var built = await Programs.RunAsync("kubectl", "kustomize", mine);

            built.ShouldContain("image: registry.example/broker:0.1.0\n");
            built.ShouldContain("{\"mine\": 1}");
            Namespaces(built).ShouldBe(Namespaces(await Programs.KustomizeAsync(Repository.PathOf($"k8s/overlays/{overlay}"))));
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
    }

    private static string[] Namespaces(string built) => [.. built.Split('\n').Where(static line => line.TrimStart().StartsWith("namespace: ", StringComparison.Ordinal))];

    private static void Copy(string from, string to)
    {
        foreach (var file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }

    [GeneratedRegex(@"https?://broker\.broker[a-z.]*(:\d+)?")]
    private static partial Regex Address();
}
