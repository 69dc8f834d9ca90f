namespace LoadTests.FromInside.Simulation;

/// <summary>
/// In half of all worlds most pods follow sizes, and roles have parts, guarantees and priorities of their own. Drawn from a stream of its own, so that the
/// other half stays what it was.
/// </summary>
internal static class Breathing
{
    // Beyond what a pod would take without: there is something to grow into, and to give back.
    private const int More = 12;

    /// <summary>The plan with what breathes in it.</summary>
    public static Plan Add(Plan plan)
    {
        var random = PlanMaker.Stream(plan.Seed, 7);
        if (!PlanMaker.Chance(random, 0.5)) return plan;
        var roles = plan.Scene.Roles.Select(role => role with
        {
            Connections = role.Connections with
            {
                Max = role.Connections.Max + More,
                Weight = random.Next(1, 4),
                Guaranteed = PlanMaker.Chance(random, 0.3) ? random.Next(1, 6) : 0,
                Priority = PlanMaker.Chance(random, 0.3) ? random.Next(1, 3) : 0,
                SurgePercent = PlanMaker.Chance(random, 0.5) ? 0 : 25,
            },
        }).ToArray();
        return plan with
        {
            Scene = plan.Scene with { Roles = roles },
            Steps = [.. plan.Steps.Select(step => step is PodStep pod && PlanMaker.Chance(random, 0.8) ? Following(random, pod, roles.Single(role => role.Name == pod.Role).Connections.Max) : step)],
        };
    }

    private static PodStep Following(Random random, PodStep pod, int most)
    {
        var want = random.Next(2, most + 1);
        return pod with
        {
            Connections = want,
            MinConnections = random.Next(1, Math.Min(4, want) + 1),
            // Mostly within the half minute that the ledger waits for it, and sometimes not.
            Follows = new(PlanMaker.Chance(random, 0.2) ? PlanMaker.Seconds(random, 10, 60) : PlanMaker.Seconds(random, 0, 3), PlanMaker.Chance(random, 0.5)),
        };
    }
}
