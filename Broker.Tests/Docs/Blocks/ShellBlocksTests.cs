using Broker.Tests.Deployment;
using k8s;
using k8s.Models;
using Shouldly;
using Xunit;

namespace Broker.Tests.Docs.Blocks;

/// <summary>Shell in a document is run by a shell, and each command in it is read by the program that it calls; inline commands too.</summary>
public sealed class ShellBlocksTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Those that speak to a running broker are run by <see cref="FirstCallsTests"/>.</summary>
    public static TheoryData<string> Alone => [.. DocumentBlock.NamesOf("sh").Where(static name => !FirstCallsTests.CallsABroker(DocumentBlock.Named(name)))];

    [Theory]
    [MemberData(nameof(Alone))]
    public async Task An_example_runs_and_each_command_is_one(string name)
    {
        using var example = new ShellExample();
        example.Has("orders-admin-connection-string", "Host=orders-db;Username=broker");
        example.Has("redis-connection-string", "redis:6379");
        var (output, calls) = await example.RunAsync(DocumentBlock.Named(name).Text, new Dictionary<string, string>(), Cancellation);

        foreach (var call in calls) DocumentedCommand.Mistakes(call).ShouldBeEmpty(string.Join(' ', call));
        foreach (var secret in KubernetesYaml.LoadAllFromString(output, null, true).Cast<V1Secret>()) IsMounted(secret);
    }

    /// <summary>Of a verb that is only mentioned, such as <c>broker forecast</c>, what it needs may be missing.</summary>
    [Fact]
    public void Commands_within_sentences_are_commands()
    {
        var found = DocumentBlock.OfToday.Concat(["k8s/overlays/development/kustomization.yaml", "docker-compose.yml"]).SelectMany(InlineCommand.In).ToArray();
        found.Length.ShouldBeGreaterThan(80);

        foreach (var (file, text, words) in found)
            DocumentedCommand.Mistakes(words).Where(static mistake => !mistake.Contains("equired", StringComparison.Ordinal)).ShouldBeEmpty($"{file}: {text}");
    }

    /// <summary>A tunnel in the background listens a moment later.</summary>
    [Fact]
    public void What_is_called_through_a_tunnel_is_called_again_until_it_listens()
    {
        var tunnels = DocumentBlock.All.Where(static block => block.Text.Contains(" port-forward ", StringComparison.Ordinal)).ToArray();
        tunnels.ShouldNotBeEmpty();
        foreach (var call in tunnels.SelectMany(static block => block.Text.Split(" &\n", 2)[1].Split('\n')).Where(static line => line.StartsWith("curl ", StringComparison.Ordinal)))
            call.ShouldStartWith("curl --retry 5 --retry-connrefused ");
    }

    // A Secret that somebody makes is one that the broker's pod mounts, with the keys that its configuration reads.
    private static void IsMounted(V1Secret secret)
    {
        var broker = KubernetesYaml.LoadAllFromString(Repository.Read("k8s/base/deployment.yaml"), null, true).OfType<V1Deployment>().Single().Spec.Template.Spec;
        var volume = broker.Volumes.SingleOrDefault(volume => volume.Secret?.SecretName == secret.Name()).ShouldNotBeNull($"the broker mounts no Secret {secret.Name()}");
        var directory = broker.Containers.Single().VolumeMounts.Single(mount => mount.Name == volume.Name).MountPath;
        secret.Namespace().ShouldBe("broker");
        var configuration = Repository.Read("k8s/base/broker.json");
        secret.Data.Keys.ShouldContain(key => configuration.Contains($"\"{directory}/{key}\"", StringComparison.Ordinal), $"{secret.Name()} has none of the files that are read in {directory}");
    }
}
