using System.CommandLine;
using LoadTests;
using Shouldly;
using Xunit;

namespace Broker.Tests.Commands;

/// <summary>The command line of the load tests.</summary>
public sealed class LoadTestCommandsTests
{
    private static readonly RootCommand Root = LoadTestCommands.Create();

    public static TheoryData<string> Defaults => [.. All(Root, []).Where(static one => one.Default.Length > 0).Select(static one => string.Join(' ', [.. one.Path, one.Option, one.Default]))];

    [Theory]
    [MemberData(nameof(Defaults))]
    public void What_help_prints_as_a_default_is_taken_as_input(string words) =>
        Root.Parse(words.Split(' ')).Errors.Select(static error => error.Message).Where(message => message.Contains(words.Split(' ')[^2], StringComparison.Ordinal)).ShouldBeEmpty();

    [Fact]
    public void Help_lists_what_tests_a_broker_from_outside_and_names_the_rest_in_a_sentence()
    {
        using var help = new StringWriter();
        Root.Parse("--help").Invoke(new() { Output = help }).ShouldBe(0);
        var (sentence, listed) = help.ToString().Split("Commands:") is [var before, var after] ? (before, after) : throw new InvalidOperationException(help.ToString());

        foreach (var command in Root.Subcommands)
        {
            var isListed = listed.Split('\n').Any(line => line.TrimStart().StartsWith(command.Name + " ", StringComparison.Ordinal));
            isListed.ShouldBe(!command.Hidden, command.Name);
            if (command.Hidden) sentence.ShouldContain(command.Name);
        }
    }

    [Fact]
    public void Help_of_a_command_that_the_list_leaves_out_is_printed_to_whoever_asks_for_it()
    {
        var left = Root.Subcommands.Where(static command => command.Hidden).Select(static command => command.Name).ToArray();
        left.ShouldNotBeEmpty();
        foreach (var name in left)
        {
            using var help = new StringWriter();
            LoadTestCommands.Create(asked: name).Parse([name, "--help"]).Invoke(new() { Output = help }).ShouldBe(0);
            help.ToString().ShouldMatch($@"Usage:\s+\S+ {name} ");
        }
    }

    // As help does.
    private static string Printed(object? value) =>
        value is System.Collections.IEnumerable several and not string ? string.Join('|', several.Cast<object>()) : Convert.ToString(value, System.Globalization.CultureInfo.InvariantCulture) ?? "";

    [Theory]
    [InlineData("bench --bursts 5 7", true)]
    [InlineData("bench --bursts 5|x", false)]
    [InlineData("bench --warmup 00:00:30", true)]
    [InlineData("bench --warmup 30s", true)]
    [InlineData("bench --warmup -00:00:30", false)]
    [InlineData("bench --warmup 30", false)]
    [InlineData("simulate --seeds 1-2", false)]
    [InlineData("simulate --seeds 0", false)]
    [InlineData("simulate --seeds 2", true)]
    [InlineData("simulate --seed x", false)]
    public void What_is_no_number_or_time_is_refused(string words, bool isTaken) => (Root.Parse(words.Split(' ')).Errors.Count == 0).ShouldBe(isTaken);

    private static IEnumerable<(string[] Path, string Option, string Default)> All(Command command, string[] path)
    {
        foreach (var option in command.Options.Where(static option => option.HasDefaultValue && option.ValueType != typeof(bool)))
            yield return (path, option.Name, Printed(option.GetDefaultValue()));
        foreach (var below in command.Subcommands.SelectMany(one => All(one, [.. path, one.Name]))) yield return below;
    }
}
