using System.Text.RegularExpressions;
using Broker.Tests.Deployment;
using Microsoft.Extensions.Logging;
using Orders.Data;
using Shouldly;
using Xunit;

namespace Broker.Tests.Docs.Blocks;

/// <summary>C# in a document is compiled: it stands here to the letter.</summary>
public sealed partial class CompiledSnippetTests
{
    [Fact]
    public void What_is_compiled_here_is_what_the_document_shows()
    {
        var documented = DocumentBlock.Named("docs/clients.md csharp 1").Text;
        Squeezed(Repository.Read("Broker.Tests/Docs/Blocks/CompiledSnippetTests.cs")).ShouldContain(Squeezed(documented));
        typeof(LeasedDataSource).Assembly.ShouldBe(typeof(CompiledSnippetTests).Assembly, "the client itself is run by ClientsTests");
    }

    private static string Squeezed(string code) => Space().Replace(code, " ").Trim();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Space();

    // docs/clients.md
    private static async Task OpenAsync(ILogger<LeasedDataSource> logger, CancellationToken cancellation)
    {
        using var broker = new HttpClient { BaseAddress = new("https://broker.broker.svc"), Timeout = Timeout.InfiniteTimeSpan };
        await using var orders = new LeasedDataSource(
            broker, "orders-api", () => File.ReadAllText("/var/run/secrets/broker/token"), logger, connections: 10, minConnections: 2);
        await orders.StartAsync(cancellation);
        await using var connection = await orders.OpenAsync(cancellation);
    }
}
