using System.Text.RegularExpressions;
using Broker.Tests.Deployment;

namespace Broker.Tests.Docs.Blocks;

/// <summary>A fenced block of a document, or the commands in the head of <c>docker-compose.yml</c>, as they are copied.</summary>
/// <param name="File">The document, from the repository's root.</param>
/// <param name="Number">Its number among the document's blocks of this language, from 1.</param>
/// <param name="Language">What is written behind the fence; empty: nothing.</param>
/// <param name="Text">What is within, without the indentation of the fence.</param>
internal sealed partial record DocumentBlock(string File, int Number, string Language, string Text)
{
    public const string Compose = "docker-compose.yml";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<DocumentBlock> All { get; } = [.. Documents.SelectMany(Within), new(Compose, 1, "sh", HeadOfCompose())];

    /// <summary>Every Markdown file that is shipped, from the repository's root.</summary>
    public static IEnumerable<string> Documents
    {
        get
        {
            var root = Repository.PathOf("");
            return Directory.GetFiles(root, "*.md")
                .Concat(new[] { "docs", "k8s", "LoadTests", "Broker.Core", "Broker.Api", "Broker.Tests/Docs" }.SelectMany(folder => Directory.GetFiles(Path.Combine(root, folder), "*.md", SearchOption.AllDirectories)))
                .Select(file => Path.GetRelativePath(root, file))
                .Order(StringComparer.Ordinal);
        }
    }

    /// <summary>Those that say what is; the changelog tells of what was, too.</summary>
    public static IEnumerable<string> OfToday => Documents.Where(static file => file != "CHANGELOG.md");

    /// <summary>The names of the blocks of a language, for a theory.</summary>
    public static IEnumerable<string> NamesOf(string language) => All.Where(block => block.Language == language).Select(block => block.ToString());

    public static DocumentBlock Named(string name) => All.Single(block => block.ToString() == name);

    public override string ToString() => $"{File} {Language} {Number}";

    private static IEnumerable<DocumentBlock> Within(string file) => Fenced().Matches(Repository.Read(file).ReplaceLineEndings("\n"))
        .GroupBy(match => match.Groups["language"].Value, StringComparer.Ordinal)
        .SelectMany(blocks => blocks.Select((match, before) => new DocumentBlock(file, before + 1, blocks.Key, Dedent(match.Groups["text"].Value, match.Groups["indent"].Value))));

    private static string Dedent(string text, string indent) =>
        string.Join('\n', text.Split('\n').Select(line => line.StartsWith(indent, StringComparison.Ordinal) ? line[indent.Length..] : line));

    private static string HeadOfCompose() => string.Join('\n', Repository.Read(Compose).Split('\n')
        .TakeWhile(line => line.StartsWith('#'))
        .Where(line => line.StartsWith("#   ", StringComparison.Ordinal))
        .Select(line => line[4..]));

    [GeneratedRegex(@"^(?<indent>[ ]*)```(?<language>[^\n`]*)\n(?<text>.*?)^[ ]*```[ ]*$", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Fenced();
}
