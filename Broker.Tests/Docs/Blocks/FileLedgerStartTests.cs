using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Broker.Tests.Deployment;
using Shouldly;
using Xunit;

namespace Broker.Tests.Docs.Blocks;

/// <summary>docs/file-ledger.md starts a broker: its container finds what its configuration names, may write where it writes, and has time to stop.</summary>
public sealed partial class FileLedgerStartTests
{
    private const string Document = "docs/file-ledger.md";

    [Fact]
    public async Task The_container_has_what_its_configuration_names()
    {
        var json = DocumentBlock.Named($"{Document} json 1").Text;
        using var example = new ShellExample();
        example.Has("broker.json", json);
        var (_, calls) = await example.RunAsync(DocumentBlock.Named($"{Document} sh 1").Text, new Dictionary<string, string>(), TestContext.Current.CancellationToken);
        var run = calls.Single(static call => call is ["docker", "run", ..]);
        var volumes = Values(run, "-v").Select(static volume => volume.Split(':')).ToList();

        foreach (var path in Absolute().Matches(json).Select(static match => match.Groups[1].Value))
        {
            var volume = volumes.Find(volume => path.StartsWith(volume[1] + "/", StringComparison.Ordinal) || path == volume[1]).ShouldNotBeNull($"{path} is mounted");
            if (path.StartsWith("/var/", StringComparison.Ordinal)) volume.Length.ShouldBe(2, $"{path} may be written");
            else File.Exists(Path.Combine(volume[0], path[(volume[1].Length + 1)..])).ShouldBeTrue($"{path} was made before");
        }

        // The image's user is in the group, and the group may read the keys.
        Values(run, "--group-add").ShouldHaveSingleItem();
        foreach (var key in Directory.GetFiles(example.Folder, "*.key", SearchOption.AllDirectories))
            File.GetUnixFileMode(key).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead, key);
        JsonNode.Parse(json)!["Broker"]!["Tls"].ShouldNotBeNull("it listens with TLS");
        Values(run, "--stop-timeout").ShouldBe([StopSeconds().Match(Repository.Read("k8s/base/deployment.yaml")).Groups[1].Value]);
    }

    private static IEnumerable<string> Values(string[] words, string option) => words.Where((_, at) => at > 0 && words[at - 1] == option);

    [GeneratedRegex("\"(/[^\"]+)\"")]
    private static partial Regex Absolute();

    [GeneratedRegex(@"terminationGracePeriodSeconds: (\d+)")]
    private static partial Regex StopSeconds();
}
