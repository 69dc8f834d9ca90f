using System.Text;
using System.Text.RegularExpressions;
using Broker.Core.Catalog;
using Broker.Tests.Deployment;
using Microsoft.Extensions.Configuration;
using Shouldly;
using Xunit;

namespace Broker.Tests.Docs;

/// <summary>The whole example of docs/rds.md is a configuration, but for the files that are mounted there and not here.</summary>
public sealed partial class RdsExampleTests
{
    [Fact]
    public void It_is_read_without_a_mistake()
    {
        var json = Example().Match(File.ReadAllText(Repository.PathOf("docs/rds.md"))).Groups[1].Value;
        var configuration = new ConfigurationBuilder().AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes(json))).Build();

        var errors = CatalogReader.Read(configuration).Errors;

        errors.Count.ShouldBe(5, string.Join('\n', errors));
        errors.ShouldAllBe(error => error.Path.EndsWith("File", StringComparison.Ordinal) && error.Problem.Contains("does not exist", StringComparison.Ordinal));
    }

    [GeneratedRegex("```json\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Example();
}
