using Broker.Core.Catalog;
using Broker.Core.Model;
using Broker.Core.Operators;

namespace LoadTests.FromInside.Simulation;

/// <summary>
/// What half of all seeds meet beside the plan that they have in common: losses of the ledger at awkward moments, slow and forgetful
/// databases, clocks that fall back, caps, crowds. Drawn from a stream of their own, so that the other half stays what it was.
/// </summary>
internal static class Hardships
{
    private const double Awkward = 0.5;
    private const double Crowded = 0.04;
    private const double Hostile = 0.04;

    private static readonly FaultKind[] Kinds =
    [
        FaultKind.LedgerReturnsEmpty, FaultKind.LedgerReturnsOld, FaultKind.LedgerFallsFarBack, FaultKind.LedgerFallsBackAmidIssue,
        FaultKind.LedgerFallsBackAmidRotation, FaultKind.LedgerIsEmptiedBehindAReplica, FaultKind.LedgerClockFallsBack, FaultKind.DatabaseIsSlow,
        FaultKind.DatabaseLosesAnswers, FaultKind.OperatorSetsCeiling, FaultKind.LedgerIsDown, FaultKind.LedgerIsEmptied, FaultKind.LedgerFailsOver,
        FaultKind.OperatorRotates,
    ];

    /// <summary>The plan with its hardships added.</summary>
    public static Plan Add(Plan plan)
    {
        var ill = PlanMaker.Stream(plan.Seed, 9);
        if (PlanMaker.Chance(ill, Hostile)) return plan with { Steps = [.. plan.Steps, .. Writes(ill, plan)] };
        var random = PlanMaker.Stream(plan.Seed, 4);
        if (!PlanMaker.Chance(random, Awkward)) return plan;
        var scene = plan.Scene;
        if (PlanMaker.Chance(random, 0.25)) scene = scene with { Database = scene.Database with { Budget = scene.Database.Budget with { Enforce = true } } };
        scene = scene with { NamesConnections = PlanMaker.Chance(PlanMaker.Stream(plan.Seed, 6), 0.5) };
        var steps = plan.Steps;
        // One trouble at a time is easier to hold to account.
        if (PlanMaker.Chance(random, 0.6)) steps = [.. steps.Where(step => step is PodStep)];
        var found = PlanMaker.Chance(random, Crowded) ? Crowd.Of(random, plan with { Scene = scene, Steps = steps }, pods: random.Next(17, 60)) : plan with { Scene = scene, Steps = steps };
        return found with { Steps = [.. found.Steps, .. Faults(random, found)] };
    }

    /// <summary>The plan of a seed in which a hostile writer is at work.</summary>
    public static Plan MakeHostile(Plan plan) => plan with { Steps = [.. plan.Steps, .. Writes(PlanMaker.Stream(plan.Seed, 9), plan)] };

    private static IEnumerable<FaultStep> Writes(Random random, Plan plan)
    {
        var number = plan.Steps.Count == 0 ? 0 : plan.Steps.Max(step => step.Number) + 1;
        for (var left = random.Next(1, 4); left > 0; left--)
        {
            yield return new(
                number++, PlanMaker.Seconds(random, 1, plan.Scene.CalmAt.TotalSeconds), FaultKind.SomebodyWritesIntoRedis, 0, PlanMaker.Seconds(random, 0.3, 20), random.NextDouble());
        }
    }

    private static IEnumerable<FaultStep> Faults(Random random, Plan plan)
    {
        var kinds = Enumerable.Range(0, 2).Select(_ => Kinds[random.Next(Kinds.Length)]).ToArray();
        var number = plan.Steps.Count == 0 ? 0 : plan.Steps.Max(step => step.Number) + 1;
        for (var left = random.Next(1, 4); left > 0; left--)
        {
            yield return new(
                number++, PlanMaker.Seconds(random, 1, plan.Scene.CalmAt.TotalSeconds), kinds[random.Next(kinds.Length)], random.Next(1000),
                PlanMaker.Seconds(random, 0.3, PlanMaker.Chance(random, 0.5) ? 4 : 20), random.NextDouble());
        }
    }
}

/// <summary>Many pods, each with a lease of its own, of which each is tried again and again: replicas are busy, and the ledger is full of leases.</summary>
internal static class Crowd
{
    /// <summary>The plan with this many more pods.</summary>
    public static Plan Of(Random random, Plan plan, int pods)
    {
        var crowd = plan.Scene.Roles[0] with
        {
            Name = "crowd",
            Sharing = SharingScope.Holder,
            MaxHoldersPerLease = 500,
            KeepReady = false,
            LeaseTtl = TimeSpan.FromSeconds(60),
            LeaseMaxTtl = TimeSpan.FromSeconds(180),
            HolderTtl = TimeSpan.FromSeconds(30),
            VerifyEvery = PlanMaker.Seconds(random, 4, 20),
            Connections = new() { Default = 1, Min = 1, Max = 2 },
        };
        if (crowd.VaultPath is not null) crowd = crowd with { VaultPath = "database/creds/crowd" };
        var scene = plan.Scene with
        {
            Roles = [.. plan.Scene.Roles, crowd],
            Connections = (plan.Scene.Connections.Limit + 2 * pods, plan.Scene.Connections.Reserved, plan.Scene.Connections.Foreign),
            Database = plan.Scene.Database with { Issuing = new() { UsersPerSecond = Math.Max(20, pods / 10), Burst = 20, InFlight = 8 } },
        };
        var first = plan.Steps.Count == 0 ? 0 : plan.Steps.Max(step => step.Number) + 1;
        var come = Enumerable.Range(0, pods).Select(at => new PodStep(first + at, PlanMaker.Seconds(random, 0, 10))
        {
            Role = crowd.Name,
            Account = "account0",
            Connections = null,
            Wait = TimeSpan.FromSeconds(30),
            Stays = PlanMaker.Seconds(random, 20, 60),
        });
        return plan with { Scene = scene, Steps = [.. plan.Steps, .. come] };
    }
}
