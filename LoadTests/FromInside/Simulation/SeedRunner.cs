using System.Diagnostics;

namespace LoadTests.FromInside.Simulation;

/// <summary>What came of many seeds.</summary>
internal sealed record SeedResults(int Seeds, IReadOnlyList<SimulationResult> Failures, long Steps, long Users);

/// <summary>Runs many seeds, each world on one thread.</summary>
internal static class SeedRunner
{
    private const int MostFailures = 20;
    private static readonly TimeSpan TellEvery = TimeSpan.FromSeconds(30);

    public static SeedResults Run(long first, int count, Func<long, Plan> planOf, int jobs, IReadOnlyList<string> past, Action<string> say)
    {
        var gate = new Lock();
        var failures = new List<SimulationResult>();
        long steps = 0, users = 0;
        var done = 0;
        var told = Stopwatch.StartNew();
        Threads.Run(count, jobs, at =>
        {
            lock (gate)
            {
                if (failures.Count >= MostFailures) return;
            }

            var result = Simulation.Run(planOf(first + at), keepTrace: false, past: past);
            lock (gate)
            {
                done++;
                steps += result.Steps;
                users += result.Users;
                if (result.Broken is { } broken)
                {
                    failures.Add(result);
                    say($"seed {result.Plan.Seed}: {broken.Law} at {broken.At.TotalSeconds:0.000} s: {broken.What}");
                }

                if (told.Elapsed < TellEvery) return;
                say($"{done} of {count} seeds, {failures.Count} broke a law");
                told.Restart();
            }
        });
        if (failures.Count >= MostFailures) say($"{failures.Count} seeds broke a law: the others were not run.");
        failures.Sort(static (a, b) => a.Plan.Seed.CompareTo(b.Plan.Seed));
        return new(done, failures, steps, users);
    }
}
