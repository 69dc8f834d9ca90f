using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Sockets;

namespace LoadTests.FromOutside.Bench;

/// <summary>Pods that come when their time is there, whatever became of those before: each over a connection of its own, with one claim.</summary>
internal static class PacedPods
{
    private const string Body = """{"connections":1}""";

    /// <summary>Lets them come.</summary>
    /// <param name="pods">When each comes after the start, where it asks, and its token.</param>
    /// <param name="atOnce">The most that ask at once: the rest ask late, and their wait counts from their planned time. 0: no bound.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <returns>How long each waited for its answer from its planned time, how much later than that it asked, how many were not granted, and how long all took.</returns>
    public static async Task<(IReadOnlyList<double> Seconds, IReadOnlyList<double> Late, int Errors, TimeSpan Took)> ComeAsync(IReadOnlyList<PacedPod> pods, int atOnce, CancellationToken cancellation)
    {
        using var room = new SemaphoreSlim(atOnce == 0 ? pods.Count : atOnce);
        var errors = 0;
        var start = Stopwatch.GetTimestamp();
        var waited = await Task.WhenAll(pods.Select(pod => Task.Run(() => OneAsync(pod), cancellation)));
        return ([.. waited.Select(static one => one.Waited)], [.. waited.Select(static one => one.Late)], errors, Stopwatch.GetElapsedTime(start));

        async Task<(double Waited, double Late)> OneAsync(PacedPod pod)
        {
            if (pod.At - Stopwatch.GetElapsedTime(start) is var ahead && ahead > TimeSpan.Zero) await Task.Delay(ahead, TimeProvider.System, cancellation);
            await room.WaitAsync(cancellation);
            var late = (Stopwatch.GetElapsedTime(start) - pod.At).TotalSeconds;
            try
            {
                using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false, UseCookies = false }) { Timeout = TimeSpan.FromSeconds(120) };
                using var request = new HttpRequestMessage(HttpMethod.Post, pod.Address) { Content = new StringContent(Body, null, "application/json") };
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", pod.Token);
                using var answer = await client.SendAsync(request, cancellation);
                await answer.Content.ReadAsByteArrayAsync(cancellation);
                if (!answer.IsSuccessStatusCode) Interlocked.Increment(ref errors);
            }
            catch (Exception failure) when (failure is HttpRequestException or SocketException)
            {
                Interlocked.Increment(ref errors);
            }
            finally
            {
                room.Release();
            }

            return ((Stopwatch.GetElapsedTime(start) - pod.At).TotalSeconds, late);
        }
    }
}

/// <summary>One of them.</summary>
internal sealed record PacedPod(TimeSpan At, Uri Address, string Token);
