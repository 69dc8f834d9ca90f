using System.Reflection;
using System.Text.RegularExpressions;
using Broker.Tests.Deployment;
using Shouldly;
using Xunit;

namespace Broker.Tests.Docs;

/// <summary>Documents that say which test tries a thing: each test they name is there.</summary>
public sealed partial class NamedTestsTests
{
    private static readonly ILookup<string, Type> Classes = typeof(NamedTestsTests).Assembly.GetTypes().ToLookup(type => type.Name, StringComparer.Ordinal);

    [Theory]
    [InlineData("security.md", 40)]
    [InlineData("compatibility.md", 60)]
    [InlineData("kubernetes.md", 7)]
    public void Each_test_that_a_document_names_is_there(string document, int atLeast)
    {
        var named = Named().Matches(File.ReadAllText(Repository.PathOf("docs/" + document))).ToList();
        named.Count.ShouldBeGreaterThanOrEqualTo(atLeast);
        foreach (var name in named)
        {
            var found = Classes[name.Groups["class"].Value].ToList();
            found.ShouldNotBeEmpty($"{document} names {name.Value}");
            if (name.Groups["method"].Value is not { Length: > 0 } method) continue;
            found.SelectMany(type => type.GetMethods(BindingFlags.Public | BindingFlags.Instance))
                .ShouldContain(test => method.EndsWith('…') ? test.Name.StartsWith(method.TrimEnd('…'), StringComparison.Ordinal) : test.Name == method, $"{document} names {name.Value}");
        }
    }

    [GeneratedRegex(@"`(?:\w+/)*(?<class>\w+Tests)(?:\.(?<method>\w+…?))?`")]
    private static partial Regex Named();
}
