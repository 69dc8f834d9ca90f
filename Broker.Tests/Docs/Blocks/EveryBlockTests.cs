using System.Text.RegularExpressions;
using Broker.Tests.Deployment;
using Broker.Tests.Ledger;
using Shouldly;
using Xunit;

namespace Broker.Tests.Docs.Blocks;

/// <summary>Whatever a reader may copy out of a document is run, compiled or read by a test, as it is written.</summary>
public sealed partial class EveryBlockTests
{
    // Languages of which every block is tried, also one that is added tomorrow, and by what.
    private static readonly Dictionary<string, Type> Tried = new(StringComparer.Ordinal)
    {
        ["json"] = typeof(JsonBlocksTests),
        ["yaml"] = typeof(YamlBlocksTests),
        ["sh"] = typeof(ShellBlocksTests), // and those that call a broker by FirstCallsTests
        ["sql"] = typeof(SqlBlocksTests),
    };

    // Blocks that a test knows one by one.
    private static readonly Dictionary<string, Type?> Known = new(StringComparer.Ordinal)
    {
        ["docs/clients.md csharp 1"] = typeof(CompiledSnippetTests),
        ["docs/poolers.md ini 1"] = typeof(PgBouncerFilesTests),
        ["docs/redis.md text 1"] = typeof(RedisAsItIsRunTests), // the access list, under which the whole contract runs
        ["docs/redis.md text 2"] = typeof(RedisServersTests), // a sentence that a test compares
        ["docs/architecture.md mermaid 1"] = typeof(PicturesTests),
        ["docs/architecture.md mermaid 2"] = typeof(PicturesTests),
        ["docs/architecture.md mermaid 3"] = typeof(PicturesTests),
        ["README.md text 1"] = null, // a drawing
    };

    [Fact]
    public void Every_block_has_its_test()
    {
        DocumentBlock.All.Count.ShouldBeGreaterThan(35);
        foreach (var block in DocumentBlock.All)
            (Tried.ContainsKey(block.Language) || Known.ContainsKey(block.ToString())).ShouldBeTrue($"No test tries the block {block}. Give it a language that is tried, or a test of its own:\n{block.Text}");
        Known.Keys.Except(DocumentBlock.All.Select(block => block.ToString())).ShouldBeEmpty("these are gone");
    }

    /// <summary>An indented block is one that is easily overlooked, here and by readers.</summary>
    [Fact]
    public void Blocks_are_fenced()
    {
        DocumentBlock.Documents.Count().ShouldBeGreaterThan(35);
        foreach (var file in DocumentBlock.Documents)
        {
            var text = Fence().Replace(Repository.Read(file).ReplaceLineEndings("\n"), "");
            Indented().Matches(text).Select(match => match.Value.Trim('\n')).ShouldBeEmpty($"{file} has indented code");
        }
    }

    [GeneratedRegex(@"^[ ]*```.*?^[ ]*```[ ]*$", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Fence();

    [GeneratedRegex(@"\n\n[ ]{4}\S[^\n]*")]
    private static partial Regex Indented();
}
