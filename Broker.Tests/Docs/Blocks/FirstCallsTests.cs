using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using LoadTests.Servers.Stages;
using Shouldly;
using Xunit;
using YamlDotNet.RepresentationModel;

namespace Broker.Tests.Docs.Blocks;

/// <summary>Whatever a document says to a running broker is said to one, as it is pasted after <c>./demo.sh --stay</c> or <c>docker compose up</c>.</summary>
public sealed partial class FirstCallsTests(FirstCallsTests.RunningStage running) : IClassFixture<FirstCallsTests.RunningStage>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static TheoryData<string> Examples => [.. DocumentBlock.NamesOf("sh").Where(static name => CallsABroker(DocumentBlock.Named(name)))];

    // Where a block says itself what broker is, no demo's broker is meant.
    internal static bool CallsABroker(DocumentBlock block) => Calling().IsMatch(block.Text) && !block.Text.Contains("broker() {", StringComparison.Ordinal);

    [Theory]
    [MemberData(nameof(Examples))]
    public async Task An_example_is_answered(string name)
    {
        var (output, calls) = await RunAsync(name);

        foreach (var call in calls) DocumentedCommand.Mistakes(call).ShouldBeEmpty(string.Join(' ', call));
        calls.ShouldContain(call => call[0] == "curl" || call[1].EndsWith("/broker.dll", StringComparison.Ordinal));
        output.ShouldNotBeEmpty();
    }

    [Fact]
    public async Task The_answer_that_README_shows_is_what_its_first_call_is_answered()
    {
        var (output, _) = await RunAsync("README.md sh 2");
        var answer = JsonNode.Parse(output)!;
        var shown = JsonNode.Parse(DocumentBlock.Named("README.md json 1").Text)!;

        Members(shown).Except(Members(answer)).ShouldBeEmpty();
        foreach (var member in new[] { "role", "database", "connections" }) answer[member]!.ToJsonString().ShouldBe(shown[member]!.ToJsonString());
        // Another example may have asked for this pod a while before: then it is told what is left.
        var whole = shown["holder"]!["renewAfterSeconds"]!.GetValue<int>();
        answer["holder"]!["renewAfterSeconds"]!.GetValue<int>().ShouldBeInRange(whole / 2, whole);
        answer["credentials"]!["adoNet"]!.GetValue<string>().ShouldContain("Maximum Pool Size=5");
    }

    private async Task<(string Output, IReadOnlyList<string[]> Calls)> RunAsync(string name)
    {
        var stage = running.Stage;
        var address = stage.Brokers[0].Address.OriginalString.TrimEnd('/');
        var text = Local().Replace(DocumentBlock.Named(name).Text, match =>
        {
            Published.ShouldContain(match.Value["http://localhost:".Length..]);
            return address;
        });
        using var example = new ShellExample();
        return await example.RunAsync($"{StayOpen.Environment(stage)}\n{text}", new Dictionary<string, string>(), Cancellation);
    }

    // The brokers' ports in docker-compose.yml.
    private static IEnumerable<string> Published
    {
        get
        {
            var yaml = new YamlStream();
            yaml.Load(new StringReader(Deployment.Repository.Read(DocumentBlock.Compose)));
            foreach (var name in new[] { "broker-1", "broker-2" })
                yield return yaml.Documents[0].RootNode["services"][name]["ports"][0].ToString().Split(':')[1];
        }
    }

    private static IEnumerable<string> Members(JsonNode? node, string path = "") => node is JsonObject group
        ? group.SelectMany(member => Members(member.Value, $"{path}/{member.Key}"))
        : [path];

    [GeneratedRegex(@"(?m)(^|\$\()(curl|broker) ")]
    private static partial Regex Calling();

    [GeneratedRegex(@"http://localhost:\d+")]
    private static partial Regex Local();

    /// <summary>The stage that <c>./demo.sh --stay</c> leaves to visitors, with one replica.</summary>
    public sealed class RunningStage : IAsyncLifetime
    {
        internal Stage Stage { get; private set; } = null!;

        public async ValueTask InitializeAsync() => Stage = await StartAsync(TestContext.Current.CancellationToken);

        public ValueTask DisposeAsync() => Stage.DisposeAsync();

        private static async Task<Stage> StartAsync(CancellationToken cancellation)
        {
            var stage = await Stage.SetAsync(new() { Replicas = 1, MaxConnections = 200, ExpectedHolders = 100 }, cancellation);
            await StayOpen.ExpectNobodyAsync(stage, cancellation);
            return stage;
        }
    }
}
