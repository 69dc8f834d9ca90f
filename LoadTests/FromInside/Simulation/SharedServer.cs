using Broker.Core.Catalog;

namespace LoadTests.FromInside.Simulation;

/// <summary>
/// In a third of the worlds from a certain seed on the server has two databases: one limit, shares of their own below it, and on each what is guaranteed to its
/// roles. Drawn from a stream of its own, and not for the seeds before, so that each of those is the world that it was.
/// </summary>
internal static class SharedServer
{
    /// <summary>Before it there was one database in each world.</summary>
    public const long FirstSeed = 66_000_000;

    private const string Name = "billing";
    private const double Shared = 0.33;

    /// <summary>The plan, with another database if its seed says so.</summary>
    public static Plan Add(Plan plan) => PlanMaker.Chance(PlanMaker.Stream(plan.Seed, 11), Shared) ? Share(plan) : plan;

    /// <summary>The plan with another database.</summary>
    public static Plan Share(Plan plan)
    {
        // The law that is checked where a hostile writer is at work has nothing to do with limits.
        if (plan.IsHostile) return plan;
        var random = PlanMaker.Stream(plan.Seed, 12);
        var scene = plan.Scene;
        var server = PlanMaker.Chance(random, 0.5) ? scene.Database.Name : "main";
        var first = scene.Database with { Server = server, Budget = ShareOf(random, scene.Database.Budget, scene.Connections.Limit) };
        var beside = first with
        {
            Name = Name,
            DatabaseName = Name,
            Budget = ShareOf(random, first.Budget, scene.Connections.Limit) with
            {
                SampleEvery = PlanMaker.Seconds(random, 0.5, 3),
                StaleAfter = PlanMaker.Seconds(random, 5, 15),
            },
            // Each has a pace of its own; how many users may be on their way at once is the server's.
            Issuing = first.Issuing with { UsersPerSecond = random.Next(1, 40) / 2.0, Burst = random.Next(1, 6) },
        };
        var roles = Divide(random, scene.Roles, out var moved);
        return plan with
        {
            Scene = scene with { Database = first, Beside = beside, Roles = roles },
            Steps = [.. plan.Steps.Select(step => step is PodStep pod && pod.Role == moved && PlanMaker.Chance(random, 0.5) ? pod with { Role = roles[^1].Name } : step)],
        };
    }

    private static BudgetSettings ShareOf(Random random, BudgetSettings budget, int limit) => budget with
    {
        Ceiling = PlanMaker.Chance(random, 0.4) ? random.Next(3, limit + 1) : budget.Ceiling,
        CeilingPercent = PlanMaker.Chance(random, 0.3) ? random.Next(50, 101) : budget.CeilingPercent,
        ServerCeilingPercent = PlanMaker.Chance(random, 0.2) ? random.Next(50, 101) : null,
    };

    // Each database has a role at least. Where there is but one role, another like it takes half of its pods: moved names it.
    private static Role[] Divide(Random random, IReadOnlyList<Role> roles, out string? moved)
    {
        moved = null;
        if (roles is [var only])
        {
            moved = only.Name;
            roles = [only, only with { Name = only.Name + "b", VaultPath = only.VaultPath is null ? null : $"database/creds/{only.Name}b" }];
        }

        var here = random.Next(roles.Count); // which stays, whatever is drawn for the others
        var there = (here + 1) % roles.Count;
        if (moved is not null) (here, there) = (0, 1);
        return [.. roles.Select((role, at) => Guaranteed(random, at == there || (at != here && PlanMaker.Chance(random, 0.5)) ? role with { Database = Name } : role))];
    }

    private static Role Guaranteed(Random random, Role role) =>
        PlanMaker.Chance(random, 0.3) ? role with { Connections = role.Connections with { Guaranteed = random.Next(1, 6) } } : role;
}
