using System.Diagnostics;
using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Bench;

/// <summary>How long a replica takes to say that it is ready, and what the first hundred pods then meet: a lease that is there, tokens never seen.</summary>
internal static class FreshReplica
{
    private const int Starts = 5, Burst = 100;

    public static async Task<StartResult> MeasureAsync(Stage stage, Action<string> say, CancellationToken cancellation)
    {
        var old = stage.Brokers[0];
        var fresh = stage.Brokers[1];
        var ready = new List<double>();
        var times = new List<double[]>();
        var errors = 0;
        for (var start = 0; start < Starts; start++)
        {
            say($"start {start + 1} of {Starts}");
            // The same burst on the replica that runs already: what is cold in this process must not be counted.
            using (var warm = new Pods(old.Address))
                await BurstAsync(warm, Pods.Tokens(stage.Identity, 0, Burst));
            await fresh.TerminateAsync();
            var from = Stopwatch.GetTimestamp();
            await fresh.StartAgainAsync(cancellation);
            ready.Add(Stopwatch.GetElapsedTime(from).TotalMilliseconds);
            using var pods = new Pods(fresh.Address);
            times.Add(await BurstAsync(pods, Pods.Tokens(stage.Identity, (start + 1) * Burst, Burst)));
        }

        return new(Starts, Middle(ready), Burst, Middle(times.Select(At(50))), Middle(times.Select(At(99))), times.Max(of => of[^1]), errors);

        async Task<double[]> BurstAsync(Pods pods, string[] tokens)
        {
            var claims = await Task.WhenAll(tokens.Select(token => Task.Run(
                async () =>
                {
                    try
                    {
                        return (await pods.ClaimAsync(token, null, cancellation)).TotalMilliseconds;
                    }
                    catch (InvalidOperationException refused)
                    {
                        say(refused.Message);
                        Interlocked.Increment(ref errors);
                        return double.NaN;
                    }
                },
                cancellation)));
            return [.. claims.Where(double.IsFinite).Order()];
        }
    }

    private static Func<double[], double> At(int percent) => sorted => sorted[Math.Min(sorted.Length - 1, (int)Math.Ceiling(sorted.Length * percent / 100.0) - 1)];

    private static double Middle(IEnumerable<double> values) => values.Order().ToArray() is var sorted ? sorted[sorted.Length / 2] : 0;
}
