using System.Globalization;
using System.Text.RegularExpressions;
using Broker.Core.Ledger;
using Broker.Tests.Deployment;
using LoadTests.FromOutside.Chaos;
using Shouldly;
using Xunit;

namespace Broker.Tests.Docs;

/// <summary>docs/failure.md names tests and faults that there are, and every fault; docs/architecture.md tests that there are.</summary>
public sealed partial class FailureDocumentTests
{
    private static readonly string[] Lines = File.ReadAllLines(Repository.PathOf("docs/failure.md"));

    [Fact]
    public void Every_test_it_names_is_there()
    {
        var tests = typeof(FailureDocumentTests).Assembly.GetTypes().SelectMany(type => type.GetMethods().Select(method => $"{type.Name}.{method.Name}")).ToHashSet(StringComparer.Ordinal);
        var named = Lines.SelectMany(line => Test().Matches(line)).Select(match => match.Groups[1].Value).ToArray();

        named.Length.ShouldBeGreaterThan(20);
        named.Where(name => !tests.Contains(name)).ShouldBeEmpty();

        var sequences = Test().Matches(File.ReadAllText(Repository.PathOf("docs/architecture.md"))).Select(match => match.Groups[1].Value).ToArray();
        sequences.Length.ShouldBeGreaterThan(30);
        sequences.Where(name => !tests.Contains(name)).ShouldBeEmpty();
    }

    [Fact]
    public void The_document_names_every_fault_and_no_other()
    {
        var named = Lines.SelectMany(line => Fault().Matches(line)).Select(match => match.Groups[1].Value).Distinct();

        named.ShouldBe(Misfortunes.All.Select(misfortune => misfortune.Name), ignoreOrder: true);
    }

    [Fact]
    public void It_says_how_long_a_ledger_that_lost_something_asks_as_the_code_does()
    {
        string[] words = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
        var quiet = words[int.Parse(Quiet().Match(Decision.Read("common.lua")).Groups[1].Value, CultureInfo.InvariantCulture)];
        var whenNew = DutyLedger.Settling.TotalSeconds.ToString(CultureInfo.InvariantCulture);
        var text = string.Concat(Lines);

        text.ShouldContain($"reaches the ledger within {quiet} seconds ({whenNew} seconds where all");
        text.ShouldContain($"in the {quiet} seconds in which the ledger asks ({whenNew} seconds where all");
        text.ShouldContain($"nothing new for {quiet} seconds, or while replicas tell");
        Lines.Single(line => line.StartsWith("| Redis emptied and every replica restarted |", StringComparison.Ordinal)).ShouldContain($"nothing new for {whenNew} seconds");
    }

    [Fact]
    public void Every_row_is_shown_by_something()
    {
        // Rows of the tables of failures have five columns.
        var rows = Lines.Where(line => line.StartsWith("| ", StringComparison.Ordinal) && line.Count(letter => letter == '|') == 6 && !line.StartsWith("| down", StringComparison.Ordinal)).ToArray();

        rows.Length.ShouldBeGreaterThan(25);
        rows.Where(row => !Test().IsMatch(row) && !Fault().IsMatch(row)).ShouldBeEmpty();
    }

    [GeneratedRegex(@"`(\w+(?:Tests|Contract)\.\w+)`")]
    private static partial Regex Test();

    [GeneratedRegex(@"^local QUIET_MS = (\d+)000 ", RegexOptions.Multiline)]
    private static partial Regex Quiet();

    [GeneratedRegex("`chaos ([a-z-]+)`")]
    private static partial Regex Fault();
}
