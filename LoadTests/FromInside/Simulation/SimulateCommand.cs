using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using LoadTests.FromInside.Capacity;

namespace LoadTests.FromInside.Simulation;

/// <summary><c>loadtests simulate</c>.</summary>
internal sealed class SimulateCommand
{
    private readonly Option<int> seeds = CommandOptions.Number("--seeds", "How many seeds", 1_000, 1, 100_000_000);
    private readonly Option<long> seed = new("--seed") { Description = "The first seed; with --seeds 1 the only one.", DefaultValueFactory = _ => 1 };
    private readonly Option<int> jobs = CommandOptions.Number("--jobs", "Seeds at once, each on a thread of its own", Environment.ProcessorCount, 1, 256);
    private readonly Option<bool> steps = new("--steps") { Description = "Print all that happens; for one seed." };
    private readonly Option<int[]> keep = new("--keep") { Description = "Of the seed's plan keep only these steps, as a shrunk run names them.", AllowMultipleArgumentsPerToken = true };
    private readonly Option<bool> fingerprint = new("--fingerprint") { Description = "Print only the outcome of one seed and the fingerprint of its steps; with --seeds, of each." };
    private readonly Option<int> crowd = CommandOptions.Number("--crowd", "So many pods more, each with a lease of its own", 0, 0, 100_000);
    private readonly Option<string[]> past = new("--past") { Description = "Ignore known breaches: those whose text contains this.", DefaultValueFactory = _ => [], AllowMultipleArgumentsPerToken = true };
    private readonly Option<bool> onDisk = new("--on-disk") { Description = "The ledger is in a file (Ledger:Kind File) whose process is killed after every few decisions. The same seeds, the same worlds, slower." };
    private readonly Option<bool> hostile = new("--hostile") { Description = "Somebody writes into Redis in each world (law L14)." };
    private readonly Option<bool> sharedServer = new("--shared-server") { Description = "The server has two databases in each world." };
    private readonly CapacityOptions capacity = new();
    private readonly Option<bool> noShrink = new("--no-shrink") { Description = "Do not look for a smaller plan that breaks the same law." };

    public static Command Create()
    {
        var options = new SimulateCommand();
        var command = new Command("simulate", "Run the broker's core in simulated worlds full of failures, and hold it to the laws. A failing seed is printed and replays exactly.")
        {
            options.seeds, options.seed, options.jobs, options.steps, options.keep, options.fingerprint, options.crowd, options.past, options.noShrink, options.onDisk, options.hostile, options.sharedServer,
        };
        options.capacity.AddTo(command, options.seed);
        command.SetAction(options.Run);
        return command;
    }

    private int Run(ParseResult parsed)
    {
        var first = parsed.GetValue(seed);
        if (capacity.AreAskedFor(parsed)) return capacity.Run(parsed, first);
        Plan PlanOf(long of) => Kind(of) with { OnDisk = parsed.GetValue(onDisk) };
        Plan Kind(long of) => parsed.GetValue(crowd) is > 0 and var pods ? PlanMaker.MakeCrowded(of, pods)
            : parsed.GetValue(hostile) ? PlanMaker.MakeHostile(of)
            : parsed.GetValue(sharedServer) ? PlanMaker.MakeShared(of)
            : PlanMaker.Make(of);
        if (parsed.GetValue(fingerprint) && parsed.GetResult(seeds) is { Implicit: false })
            return Enumerable.Range(0, parsed.GetValue(seeds)).Max(at => Replay(PlanOf(first + at), keep: null, print: false, parsed.GetValue(past)!));
        if (parsed.GetValue(steps) || parsed.GetValue(fingerprint) || parsed.GetValue(keep) is { Length: > 0 }) return Replay(PlanOf(first), parsed.GetValue(keep), parsed.GetValue(steps), parsed.GetValue(past)!);

        var count = parsed.GetValue(seeds);
        var clock = Stopwatch.StartNew();
        var results = SeedRunner.Run(first, count, PlanOf, parsed.GetValue(jobs), parsed.GetValue(past)!, Console.Error.WriteLine);
        foreach (var failed in results.Failures)
        {
            Console.Out.WriteLine($"seed {failed.Plan.Seed}: {failed.Broken!.Law} at {failed.Broken.At.TotalSeconds:0.000} s: {failed.Broken.What}");
            if (!parsed.GetValue(noShrink) && failed == results.Failures[0]) Report(Shrinking.Shrink(failed, past: parsed.GetValue(past)));
        }

        var seconds = clock.Elapsed.TotalSeconds;
        Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{results.Seeds} seeds from {first}: {results.Failures.Count} broke a law; {results.Steps:n0} steps, {results.Users:n0} users made; {seconds:0.0} s, {results.Seeds / seconds:0} seeds/s"));
        return results.Failures.Count == 0 ? 0 : 1;
    }

    private static int Replay(Plan plan, int[]? keep, bool print, string[] past)
    {
        if (keep is { Length: > 0 }) plan = plan with { Steps = [.. plan.Steps.Where(step => keep.Contains(step.Number))] };
        var result = Simulation.Run(plan, keepTrace: print, past: past);
        if (print) Print(result);
        Console.Out.WriteLine($"seed {plan.Seed}: {(result.Broken is { } broken ? $"{broken.Law}: {broken.What}" : "no law broken")}; {result.Steps} steps, fingerprint {result.Fingerprint}");
        return result.Broken is null ? 0 : 1;
    }

    private static void Report(SimulationResult shrunk)
    {
        Console.Out.WriteLine($"shrunk to {shrunk.Plan.Steps.Count} steps:");
        Print(shrunk);
        Console.Out.WriteLine($"replay: loadtests simulate --seed {shrunk.Plan.Seed} --steps --keep {string.Join(' ', shrunk.Plan.Steps.Select(step => step.Number))}");
    }

    private static void Print(SimulationResult result)
    {
        var scene = result.Plan.Scene;
        Console.Out.WriteLine($"{scene.Replicas} replicas, issuer as {scene.Manners}, database {scene.Connections}, {scene.Database.Budget}, {scene.Database.Issuing}, {scene.Waiting}");
        if (scene.Beside is { } beside) Console.Out.WriteLine($"on the same server {beside.Name}: {beside.Budget}, {beside.Issuing}");
        foreach (var role in scene.Roles) Console.Out.WriteLine($"{role.Name} on {role.Database}: shared by {role.Sharing}, {role.Connections}, most holders {role.MaxHoldersPerLease}, lease {role.LeaseTtl} to {role.LeaseMaxTtl}, holder {role.HolderTtl}, idle {role.IdleTtl}");
        foreach (var step in result.Plan.Steps) Console.Out.WriteLine($"{step.At.TotalSeconds,10:0.000}  step {step.Number}: {step}");
        foreach (var line in result.Lines) Console.Out.WriteLine(line);
    }
}
