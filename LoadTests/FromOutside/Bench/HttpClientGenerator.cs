using System.Net.Http.Headers;
using HdrHistogram;

namespace LoadTests.FromOutside.Bench;

/// <summary>.NET's own HTTP client: where <c>wrk</c> is not installed. It takes more of the processor, so all figures are lower.</summary>
internal sealed class HttpClientGenerator(TimeProvider time) : ILoadGenerator, IDisposable
{
    private readonly HttpClient client = new(new SocketsHttpHandler { UseProxy = false, UseCookies = false }) { Timeout = TimeSpan.FromSeconds(10) };

    public string Name => ".NET's HttpClient, for wrk is not installed here: it takes more of the processor, so rates are lower and ratios closer to 1";

    public async Task<Load> RunAsync(Target target, int connections, TimeSpan duration, CancellationToken cancellation)
    {
        var latencies = new LongConcurrentHistogram(1, TimeSpan.FromSeconds(60).Ticks / TimeSpan.TicksPerMicrosecond, 3);
        var headers = target.Tokens.Select(token => new AuthenticationHeaderValue("Bearer", token)).ToArray();
        long turn = -1, errors = 0;
        var start = time.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, connections).Select(_ => Task.Run(AskUntilOverAsync, cancellation)));
        var took = time.GetElapsedTime(start);
        return new(latencies.TotalCount, took, At(50), At(99), errors);

        async Task AskUntilOverAsync()
        {
            while (time.GetElapsedTime(start) < duration)
            {
                var own = headers.Length > 0 ? (int)(Interlocked.Increment(ref turn) % headers.Length) : 0;
                using var request = new HttpRequestMessage(target.Method, target.Paths.Count > 0 ? new Uri(target.Address, target.Paths[own]) : target.Address);
                if (headers.Length > 0) request.Headers.Authorization = headers[own];
                var asked = time.GetTimestamp();
                try
                {
                    using var answer = await client.SendAsync(request, cancellation);
                    if (!answer.IsSuccessStatusCode) Interlocked.Increment(ref errors);
                }
                catch (Exception e) when (e is HttpRequestException || (e is TaskCanceledException && !cancellation.IsCancellationRequested))
                {
                    Interlocked.Increment(ref errors);
                }

                latencies.RecordValue(Math.Max(1, (long)time.GetElapsedTime(asked).TotalMicroseconds));
            }
        }

        TimeSpan At(double percentile) => TimeSpan.FromMicroseconds(latencies.GetValueAtPercentile(percentile));
    }

    public void Dispose() => client.Dispose();
}
