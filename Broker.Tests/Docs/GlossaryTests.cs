using System.Text.RegularExpressions;
using Broker.Api.Authentication;
using Broker.Core.Ledger;
using Broker.Tests.Deployment;
using Shouldly;
using Xunit;

namespace Broker.Tests.Docs;

/// <summary>The words of the product stand in docs/glossary.md.</summary>
public sealed partial class GlossaryTests
{
    [Theory]
    [InlineData(typeof(SharedLedger))]
    [InlineData(typeof(CallerProver))]
    public void The_noun_of_every_public_type_stands_in_the_glossary(Type inAssembly)
    {
        var text = Repository.Read("docs/glossary.md");
        var terms = Term().Matches(text).Select(match => match.Groups[1].Value).ToHashSet(StringComparer.OrdinalIgnoreCase);
        terms.Count.ShouldBeGreaterThan(100);

        var unknown = inAssembly.Assembly.GetExportedTypes()
            .Where(type => !type.IsNested && type.Namespace != "Broker.Api.Page.Slices")
            .Select(type => (type.Name, Noun: Word().Matches(type.Name)[^1].Value))
            .Where(type => !terms.Contains(type.Noun) && !terms.Contains(Singular(type.Noun)))
            .Select(type => type.Name)
            .ToArray();

        unknown.ShouldBeEmpty("Add their nouns to docs/glossary.md, or use a word that stands there.");
    }

    private static string Singular(string noun) =>
        noun.EndsWith("ies", StringComparison.Ordinal) ? noun[..^3] + "y" : noun.TrimEnd('s');

    [GeneratedRegex(@"\*\*(\w+)\*\*")]
    private static partial Regex Term();

    [GeneratedRegex("[A-Z][a-z]*")]
    private static partial Regex Word();
}
