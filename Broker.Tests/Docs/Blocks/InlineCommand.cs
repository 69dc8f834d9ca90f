using System.Text.RegularExpressions;
using Broker.Tests.Deployment;

namespace Broker.Tests.Docs.Blocks;

/// <summary>A command within a sentence, in backticks. Words in capitals stand for the reader's own, and <c>…</c> for something.</summary>
/// <param name="File">Where it stands.</param>
/// <param name="Text">As it stands there.</param>
/// <param name="Words">As a shell would read it, with an example in each place.</param>
internal sealed partial record InlineCommand(string File, string Text, string[] Words)
{
    public static IEnumerable<InlineCommand> In(string file) => Code().Matches(Repository.Read(file)).Select(match => match.Groups[1].Value)
        .Select(text => new InlineCommand(file, text, [.. Word().Matches(text.Split(" | ")[0].Split(" < ")[0]).Select(word => Example(word.Value.Trim('\'', '"')))]));

    private static string Example(string word) => word.TrimEnd('…') switch
    {
        "N" => "5",
        "TIME" => "2026-01-01T00:00:00Z",
        "" => "x",
        var other => other,
    };

    [GeneratedRegex(@"`((?:broker|loadtests|docker compose|dotnet (?:stryker|format|tool)|kubectl|vault|\./[a-z]+\.sh|LoadTests/[a-z]+\.sh) [a-z-][^`{]*)`")]
    private static partial Regex Code();

    [GeneratedRegex("'[^']*'|\"[^\"]*\"|[^ ]+")]
    private static partial Regex Word();
}
