using System.Net.Http.Headers;
using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Bench;

/// <summary>Three who follow the page and the holders of a database, as browsers do.</summary>
internal sealed class Followers : IAsyncDisposable
{
    private readonly HttpClient client = new(new SocketsHttpHandler { UseProxy = false, UseCookies = false }) { Timeout = Timeout.InfiniteTimeSpan };
    private readonly CancellationTokenSource going;
    private readonly List<Task> reading = [];

    private Followers(CancellationToken cancellation) => going = CancellationTokenSource.CreateLinkedTokenSource(cancellation);

    public static async Task<Followers> StartAsync(Stage stage, string database, CancellationToken cancellation)
    {
        var followers = new Followers(cancellation);
        foreach (var path in new[] { "/page/live", "/page/live", $"/page/live/{database}" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(stage.Brokers[0].Address, path)) { Headers = { Authorization = new AuthenticationHeaderValue("Bearer", stage.Identity.ViewerToken()) } };
            var answer = await followers.client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation);
            answer.EnsureSuccessStatusCode();
            followers.reading.Add(followers.ReadAsync(answer));
        }

        return followers;
    }

    public async ValueTask DisposeAsync()
    {
        await going.CancelAsync();
        await Task.WhenAll(reading);
        client.Dispose();
        going.Dispose();
    }

    private async Task ReadAsync(HttpResponseMessage answer)
    {
        using (answer)
        {
            try
            {
                await using var stream = await answer.Content.ReadAsStreamAsync(going.Token);
                await stream.CopyToAsync(Stream.Null, going.Token);
            }
            catch (Exception exception) when (exception is OperationCanceledException or IOException)
            {
                // Whoever follows leaves when the round is over.
            }
        }
    }
}
