using Broker.Core.Ledger;

namespace LoadTests.FromInside.Simulation;

/// <summary>What came of one simulation.</summary>
/// <param name="Plan">What was run.</param>
/// <param name="Broken">The first law that was broken; null: none.</param>
/// <param name="Fingerprint">Of all that happened: the same plan gives the same, in any process.</param>
/// <param name="Steps">Pieces of work run.</param>
/// <param name="Users">Database users made.</param>
/// <param name="Lines">All that happened, when it was to be kept.</param>
internal sealed record SimulationResult(Plan Plan, Broken? Broken, string Fingerprint, int Steps, int Users, IReadOnlyList<string> Lines);

/// <summary>Runs a plan to its end: faults for a while, then calm, and everything has to come to rest.</summary>
internal static class Simulation
{
    // A run that takes this many steps for each pod goes round in circles.
    private const int MostSteps = 100_000;
    private const int MostStepsOfAPod = 10_000;
    private static readonly TimeSpan AfterHostility = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1);

    /// <summary>Runs it.</summary>
    /// <param name="plan">What to run.</param>
    /// <param name="keepTrace">Whether to keep all that happens, to be read.</param>
    /// <param name="meddle">Done to the world at its start, to see that the laws notice; null: nothing.</param>
    /// <param name="scripts">What the ledger runs for a decision; null: its own script.</param>
    /// <param name="past">What is broken and known: it goes on past whatever contains one of these texts.</param>
    public static SimulationResult Run(
        Plan plan, bool keepTrace, Action<World>? meddle = null, Func<Decision, string>? scripts = null, IReadOnlyList<string>? past = null)
    {
        using var world = new World(plan, keepTrace, scripts);
        world.Laws.Past = past ?? [];
        world.Begin();
        meddle?.Invoke(world);
        Go(world, plan.Scene.CalmAt);
        world.Trace.Say("calm");
        world.Misfortune.MendAll();
        foreach (var pod in world.Pods) pod.LeaveSoon();
        world.Misfortune.StopAllButOne();
        if (plan.IsHostile)
        {
            // A writer who may stop the broker leaves nothing that has to come to rest.
            Go(world, plan.Scene.CalmAt + AfterHostility);
            return new(plan, world.Laws.Broken, world.Trace.Fingerprint, world.Timeline.Ran, world.Issuer.Made, world.Trace.Lines);
        }

        Rest(world);
        Latecomers.Come(world, until => Go(world, until));
        Rest(world);
        world.Trace.Say("over");
        return new(plan, world.Laws.Broken, world.Trace.Fingerprint, world.Timeline.Ran, world.Issuer.Made, world.Trace.Lines);
    }

    private static void Rest(World world)
    {
        var (since, end) = (world.Now, world.Now + LongestRest(world.Plan.Scene));
        string? left = "";
        while (world.Laws.Broken is null && left is not null && world.Now < end)
        {
            Go(world, world.Now + Look);
            left = world.Laws.WhatIsLeft();
        }

        if (left is not null) world.Laws.Break("L5", $"{(world.Now - since).TotalSeconds:0} s after all faults were over and all pods told to leave: {left}");
    }

    private static void Go(World world, TimeSpan until)
    {
        while (world.Laws.Broken is null && world.Timeline.Step(until))
        {
            if (world.Timeline.Escaped is { } escaped) world.Laws.Break("fault", escaped);
            if (world.Timeline.Ran <= MostSteps + MostStepsOfAPod * world.Pods.Count) continue;
            world.Laws.Break("L10", "it goes round in circles");
            return;
        }
    }

    // What may take so long at most: the last wait, the holders that vanished, the idle lease, a dead attempt, the longest retry,
    // and, where the name of a user is not known, the longest life that its issuer lets it have.
    private static TimeSpan LongestRest(Scene scene) =>
        scene.Waiting.MaxWait + Laws.LongestOver + TimeSpan.FromMinutes(5)
        + scene.Roles.Max(role => role.HolderTtl + role.IdleTtl + role.LeaseTtl + role.LeaseMaxTtl);
}
