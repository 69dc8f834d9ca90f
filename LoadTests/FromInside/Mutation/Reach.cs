using System.Globalization;
using Broker.Core.Ledger;
using LoadTests.FromInside.Simulation;
using Worlds = LoadTests.FromInside.Simulation.Simulation;

namespace LoadTests.FromInside.Mutation;

/// <summary>Which worlds run which lines of the scripts: in the others a mutant of such a line changes nothing.</summary>
internal sealed class Reach
{
    private const string Subject = "reached";

    private readonly SortedDictionary<long, (Plan Plan, HashSet<(string File, int Line)> Lines)> worlds = [];
    private readonly List<long> broken = [];

    private Reach()
    {
    }

    /// <summary>Seeds that break a law as the scripts are: they show nothing, and are left out.</summary>
    public IReadOnlyList<long> Broken => broken;

    /// <summary>Runs the worlds of the seeds from 1 with the scripts as they are.</summary>
    public static Reach Of(int seeds, int jobs)
    {
        var reach = new Reach();
        Threads.Run(seeds, jobs, at =>
        {
            var plan = PlanMaker.Make(at + 1);
            var lines = new HashSet<(string, int)>();
            var result = Worlds.Run(plan, keepTrace: false, world => world.Ledger.Listen(Subject, told => lines.Add(Place(told))), Telling);
            lock (reach.worlds)
            {
                if (result.Broken is null) reach.worlds[plan.Seed] = (plan, lines);
                else reach.broken.Add(plan.Seed);
            }
        });
        return reach;
    }

    /// <summary>The worlds in which a mutant may change something.</summary>
    public IEnumerable<Plan> WorldsOf(Mutant mutant)
    {
        // The one after it too: of an expression on several lines Lua counts some instructions to the next.
        var lines = Enumerable.Range(mutant.Line, mutant.LastLine - mutant.Line + 2).Select(line => (mutant.File, line)).ToArray();
        return worlds.Values.Where(world => world.Lines.Overlaps(lines)).Select(world => world.Plan);
    }

    // Reports each line once, the first time it runs, on a channel of its own. The reporting code is put on the script's first line, so that line numbers stay.
    private static string Telling(Decision decision) =>
        $$"""
        do local told, call = reached or {}, redis.call reached = told debug.sethook(function(_, line) local at = '{{decision}}:' .. line if not told[at] and debug.getinfo(2, 'S').source == '{{decision}}' then told[at] = true call('PUBLISH', '{{LedgerKeys.Channel(Subject)}}', at) end end, 'l') end 
        """ + decision.Script;

    private static (string File, int Line) Place(string told)
    {
        var parts = told.Split(':');
        var decision = LedgerScripts.Decisions.Single(decision => decision.Name == parts[0]);
        var line = int.Parse(parts[1], CultureInfo.InvariantCulture);
        foreach (var file in decision.Files)
        {
            var lines = Decision.Read(file).AsSpan().Count('\n');
            if (line <= lines) return (file, line);
            line -= lines;
        }

        throw new InvalidOperationException($"{told} is in no file");
    }
}
