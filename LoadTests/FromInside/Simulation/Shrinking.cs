namespace LoadTests.FromInside.Simulation;

/// <summary>Looks for a smaller plan that breaks the same law.</summary>
internal static class Shrinking
{
    private const int MostRuns = 400;

    /// <summary>Leaves out steps, many at once and then ever fewer, as long as the same law is broken; answers the smallest run, with its trace.</summary>
    public static SimulationResult Shrink(SimulationResult failed, Action<World>? meddle = null, IReadOnlyList<string>? past = null)
    {
        var best = failed.Plan;
        var runs = 0;
        for (var chunk = Math.Max(1, best.Steps.Count / 2); ; chunk = Math.Max(1, chunk / 2))
        {
            var smaller = false;
            for (var from = 0; from < best.Steps.Count && runs < MostRuns;)
            {
                var without = best with { Steps = [.. best.Steps.Where((_, at) => at < from || at >= from + chunk)] };
                runs++;
                if (Simulation.Run(without, keepTrace: false, meddle, past: past).Broken?.Law == failed.Broken!.Law)
                {
                    best = without;
                    smaller = true;
                }
                else
                {
                    from += chunk;
                }
            }

            if (runs >= MostRuns || (chunk == 1 && !smaller)) return Simulation.Run(best, keepTrace: true, meddle, past: past);
        }
    }
}
