using System.Text.RegularExpressions;
using Broker.Tests.Deployment;
using k8s;
using k8s.Models;
using Shouldly;
using Xunit;

namespace Broker.Tests.Docs.Blocks;

/// <summary>Shell in a document is run by a shell, and each command in it is read by the program that it calls; inline commands too.</summary>
public sealed partial class ShellBlocksTests
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
        example.Has("vault-ca.crt", "an authority");
        example.Has("token", "a token");
        example.Has("broker.json", "{}");
        var (output, calls) = await example.RunAsync(Called(DocumentBlock.Named(name).Text), new Dictionary<string, string>(), Cancellation);

        var all = KubernetesYaml.LoadAllFromString(output, null, true);
        (calls.Count + all.Count).ShouldBeGreaterThan(0, "an example does something");
        foreach (var call in calls) DocumentedCommand.Mistakes(call).ShouldBeEmpty(string.Join(' ', call));
        foreach (var made in all)
        {
            if (made is V1Secret secret) IsMounted(secret.Metadata, secret.Data.Keys, volume => volume.Secret?.SecretName);
            else if (made is V1ConfigMap map) IsMounted(map.Metadata, map.Data.Keys, volume => volume.ConfigMap?.Name);
            else throw new InvalidOperationException($"No test knows what becomes of {made}.");
        }
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

    /// <summary>In a pod there is no file of the reader's, and what a program there is to read has to be passed on to it.</summary>
    [Fact]
    public async Task What_a_command_in_a_pod_reads_comes_by_its_standard_input()
    {
        var commands = DocumentBlock.OfToday.SelectMany(InlineCommand.In).Select(static command => command.Words).ToList();
        foreach (var block in DocumentBlock.All.Where(static block => block.Language == "sh" && block.Text.Contains(" exec ", StringComparison.Ordinal)))
        {
            using var example = new ShellExample();
            example.Has("token", "a token");
            commands.AddRange((await example.RunAsync(block.Text, new Dictionary<string, string>(), Cancellation)).Calls);
        }

        var read = 0;
        foreach (var words in commands)
        {
            var inPod = words is ["kubectl", ..] && words.Contains("exec");
            if (!inPod && words is not ["broker", "explain", ..]) continue;
            var token = words.SkipWhile(static word => word != "--token").Skip(1).FirstOrDefault();
            (token ?? "").ShouldNotStartWith("@", customMessage: string.Join(' ', words));
            if (token != "-") continue;
            read++;
            if (inPod) words[..Array.IndexOf(words, "--")].ShouldContain("-i", customMessage: string.Join(' ', words));
        }

        read.ShouldBeGreaterThan(2);
    }

    // A block that only defines a command is read by calling the command.
    private static string Called(string text) => Definition().Match(text.Trim()) is { Success: true } alone ? $"{text}\n{alone.Groups[1].Value} health" : text;

    [GeneratedRegex(@"\A(\w+)\(\) \{[^\n]*\}\z")]
    private static partial Regex Definition();

    // What somebody makes is what the broker's pod mounts, with the keys that its configuration reads.
    private static void IsMounted(V1ObjectMeta made, ICollection<string> keys, Func<V1Volume, string?> nameIn)
    {
        var broker = KubernetesYaml.LoadAllFromString(Repository.Read("k8s/base/deployment.yaml"), null, true).OfType<V1Deployment>().Single().Spec.Template.Spec;
        var volume = broker.Volumes.SingleOrDefault(volume => nameIn(volume) == made.Name).ShouldNotBeNull($"the broker mounts no {made.Name}");
        var directory = broker.Containers.Single().VolumeMounts.Single(mount => mount.Name == volume.Name).MountPath;
        made.NamespaceProperty.ShouldBe("broker");
        var configuration = Repository.Read("k8s/base/broker.json");
        keys.ShouldContain(key => configuration.Contains($"\"{directory}/{key}\"", StringComparison.Ordinal), $"{made.Name} has none of the files that are read in {directory}");
        foreach (Match read in Regex.Matches(configuration, $"\"{directory}/([^\"]+)\"")) keys.ShouldContain(read.Groups[1].Value, $"{made.Name} has not all that is read in {directory}");
    }
}
