using System.Text.Json.Nodes;
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
        var rules = ((YamlSequenceNode)yaml.Documents[0].RootNode["groups"]).SelectMany(group => (YamlSequenceNode)group["rules"]).ToList();
        var tests = Repository.Read("docs/alerts/broker.tests.yml");

        rules.Count.ShouldBeGreaterThan(20);
        foreach (var rule in rules.Cast<YamlMappingNode>())
        {
            foreach (Match asked in Asked().Matches(rule["expr"].ToString()))
                words.ShouldContain(Ending().Replace(asked.Value, ""), rule["expr"].ToString());
            foreach (Match asked in Scraped().Matches(rule["expr"].ToString())) asked.Groups[1].Value.ShouldBe("{job=\"broker\"}", rule["expr"].ToString());
            if (!rule.Children.ContainsKey("alert")) continue;
            var name = rule["alert"].ToString();
            rule["annotations"]["summary"].ToString().ShouldNotBeEmpty();
            rule["annotations"]["description"].ToString().ShouldNotBeEmpty();
            rule["labels"]["severity"].ToString().ShouldBeOneOf("info", "warning", "critical");
            rule["annotations"]["runbook"].ToString().ShouldBe($"docs/runbooks/{name}.md");
            Repository.Read($"docs/runbooks/{name}.md").ShouldStartWith($"# {name}\n");
            tests.ShouldContain($"alertname=\"{name}\"", customMessage: "it is seen to fire");
        }

        Directory.GetFiles(Repository.PathOf("docs/runbooks")).Length.ShouldBe(rules.Cast<YamlMappingNode>().Count(rule => rule.Children.ContainsKey("alert")), "one for each");
    }

    /// <summary>Who is called for a critical alert finds what it is about on the dashboard.</summary>
    [Fact]
    public void The_dashboard_shows_what_critical_alerts_ask_for_and_does_not_show_nothing_as_0()
    {
        var panels = JsonNode.Parse(Repository.Read("k8s/components/monitoring/dashboard.json"))!["panels"]!.AsArray();
        var shown = string.Join('\n', panels.SelectMany(static panel => panel!["targets"]?.AsArray().Select(static target => (string)target!["expr"]!) ?? []));
        var yaml = new YamlStream();
        yaml.Load(new StringReader(Repository.Read("docs/alerts/broker.rules.yml")));
        var critical = ((YamlSequenceNode)yaml.Documents[0].RootNode["groups"]).SelectMany(static group => (YamlSequenceNode)group["rules"])
            .Where(static rule => ((YamlMappingNode)rule).Children.TryGetValue("labels", out var labels) && labels["severity"].ToString() == "critical").ToArray();

        critical.Length.ShouldBeGreaterThan(5);
        foreach (var metric in critical.SelectMany(static rule => Asked().Matches(rule["expr"].ToString())).Select(static asked => asked.Value).Distinct()) shown.ShouldContain(metric);
        shown.ShouldNotContain("vector(0)");

        // What is now, and not the last that was known: a range's last value stays for an hour.
        var now = panels.Where(static panel => (string)panel!["type"]! == "stat").SelectMany(static panel => panel!["targets"]!.AsArray()).ToArray();
        now.ShouldNotBeEmpty();
        now.ShouldAllBe(static target => (bool)target!["instant"]! && !(bool)target["range"]!);
    }

    /// <summary>Whether a replica answers, Prometheus itself says, by the name of the job: that of compose, and of the Service that the ServiceMonitor finds.</summary>
    [Fact]
    public void The_job_that_alerts_ask_for_is_the_one_that_scrapes_the_broker()
    {
        Repository.Read("docs/compose/prometheus.yml").ShouldContain("- job_name: broker\n");
        Repository.Read("k8s/base/service.yaml").ShouldContain("kind: Service\nmetadata:\n  name: broker\n");
        Repository.Read("k8s/components/monitoring/servicemonitor.yaml").ShouldNotContain("jobLabel");
        Repository.Read("docs/alerts/broker.rules.yml").ShouldContain("up{job=\"broker\"}");
    }

    /// <summary>kube-prometheus-stack selects monitors and rules by its label, and leaves out others without a word.</summary>
    [Fact]
    public async Task With_the_label_of_the_usual_Prometheus_the_monitor_and_the_rules_are_taken()
    {
        var labels = Labels().Match(Repository.Read("k8s/README.md")).Groups[1].Value;
        labels.ShouldNotBeEmpty("the README says how");
        var overlay = Directory.CreateTempSubdirectory("broker-labelled-").FullName;
        try
        {
            await File.WriteAllTextAsync(Path.Combine(overlay, "kustomization.yaml"), $"resources: [{Path.GetRelativePath(overlay, Repository.PathOf("k8s/overlays/production"))}]\n{labels}\n", TestContext.Current.CancellationToken);
            var built = (await Programs.RunAsync("kubectl", "kustomize", overlay)).Split("\n---\n");
            foreach (var kind in new[] { "ServiceMonitor", "PrometheusRule" }) built.Single(text => text.Contains($"kind: {kind}\n", StringComparison.Ordinal)).ShouldContain("    release: YOUR-RELEASE\n");
        }
        finally
        {
            Directory.Delete(overlay, recursive: true);
        }
    }

    [GeneratedRegex(@"`(labels: \[\{ pairs: [^`]+)`")]
    private static partial Regex Labels();

    [GeneratedRegex(@"\bup\b(\{[^}]*\})?")]
    private static partial Regex Scraped();

    [GeneratedRegex("\"(broker\\.[a-z._]+)\"")]
    private static partial Regex Instrument();

    [GeneratedRegex("broker_[a-z_]+")]
    private static partial Regex Asked();

    [GeneratedRegex("(_total|_seconds(_bucket|_count)?)$")]
    private static partial Regex Ending();
}
