using Shouldly;
using Xunit;

namespace Broker.Tests.Page;

/// <summary>A replica that is told to stop does not wait for those who look at its page.</summary>
public sealed class StoppingTests
{
    [Theory]
    [InlineData("/page/live")]
    [InlineData("/page/live/orders")]
    public async Task A_page_that_is_looked_at_ends_with_its_replica_and_is_not_cut_off(string path)
    {
        var server = await PageServer.StartAsync();
        using var client = server.Client("viewers");
        using var answer = await client.GetAsync(new Uri(path, UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        using var stream = new StreamReader(await answer.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken));
        (await stream.ReadLineAsync(TestContext.Current.CancellationToken)).ShouldBe("retry: 500");

        await server.DisposeAsync();

        // A stream that the stopping server gives up on in the end breaks off instead.
        await stream.ReadToEndAsync(TestContext.Current.CancellationToken);
    }
}
