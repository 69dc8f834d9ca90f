using Broker.Core.Ledger;
using LoadTests.FromInside.Simulation;
using Worlds = LoadTests.FromInside.Simulation.Simulation;

namespace LoadTests.FromInside.Mutation;

/// <summary>Tries to kill mutants, the cheapest way first: worlds that run what was changed, then tests.</summary>
internal sealed class MutationRun(Reach reach, TestKiller? tests)
{
    /// <summary>What becomes of a mutant.</summary>
    public MutantResult Try(Mutant mutant, CancellationToken cancellation)
    {
        if (!LedgerScripts.Compiles(mutant)) return new(mutant, MutantFate.DidNotCompile, "");
        var plans = reach.WorldsOf(mutant).ToArray();
        if (KilledIn(plans, mutant, cancellation) is { } world) return new(mutant, MutantFate.KilledBySimulation, world);
        // Worlds are held to one thread each: this one is ours, and waits.
        if (tests?.KillAsync(mutant, cancellation).GetAwaiter().GetResult() is { } test) return new(mutant, MutantFate.KilledByTests, test);
        return new(mutant, plans.Length == 0 ? MutantFate.NotReached : MutantFate.Survived, "");
    }

    private static string? KilledIn(IEnumerable<Plan> plans, Mutant mutant, CancellationToken cancellation)
    {
        var scripts = LedgerScripts.With(mutant.File, mutant.Apply(Decision.Read(mutant.File)));
        foreach (var plan in plans)
        {
            cancellation.ThrowIfCancellationRequested();
            try
            {
                if (Worlds.Run(plan, keepTrace: false, scripts: scripts).Broken is { } broken) return $"seed {plan.Seed}: {broken.Law}: {broken.What}";
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                return $"seed {plan.Seed}: {e.Message}";
            }
        }

        return null;
    }
}
