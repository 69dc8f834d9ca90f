using System.Text.RegularExpressions;
using Shouldly;
using Xunit;
using YamlDotNet.RepresentationModel;

namespace Broker.Tests.Deployment;

/// <summary>The alerts ask for metrics that there are.</summary>
public sealed partial class AlertsTests
{
    private static readonly string[] Rooms = ["Broker.Core", "Broker.Api"];

    [Fact]
    public void Every_alert_says_what_and_what_to_do_and_asks_for_metrics_and_labels_that_the_broker_has()
    {
        var words = Rooms
            .SelectMany(room => Directory.GetFiles(Repository.PathOf(room), "*.cs", SearchOption.AllDirectories))
            .SelectMany(file => Instrument().Matches(File.ReadAllText(file)))
            .Select(name => name.Groups[1].Value.Replace('.', '_'))
            .ToHashSet(StringComparer.Ordinal);
        var yaml = new YamlStream();
        yaml.Load(new StringReader(Repository.Read("docs/alerts/broker.rules.yml")));
        var rules = (YamlSequenceNode)yaml.Documents[0].RootNode["groups"][0]["rules"];

        rules.Children.Count.ShouldBeGreaterThan(5);
        foreach (var rule in rules)
        {
            foreach (Match asked in Asked().Matches(rule["expr"].ToString()))
                words.ShouldContain(asked.Value.Replace("_total", "", StringComparison.Ordinal), rule["alert"].ToString());
            rule["annotations"]["summary"].ToString().ShouldNotBeEmpty();
            rule["annotations"]["description"].ToString().ShouldNotBeEmpty();
            rule["labels"]["severity"].ToString().ShouldBeOneOf("info", "warning", "critical");
        }
    }

    [GeneratedRegex("\"(broker\\.[a-z.]+)\"")]
    private static partial Regex Instrument();

    [GeneratedRegex("broker_[a-z_]+")]
    private static partial Regex Asked();
}
