using System.CommandLine;
using Broker.Core.Ledger;
using LoadTests.FromInside.Simulation;
using Spectre.Console;

namespace LoadTests.FromInside.Mutation;

/// <summary><c>loadtests mutate</c>: how many wrong rules the simulation and the tests would notice.</summary>
internal sealed class MutateCommand
{
    private readonly Option<string[]> script = new("--script") { Description = "Only this one, such as claim; may be given several times.", AllowMultipleArgumentsPerToken = true };
    private readonly Option<int> seeds = CommandOptions.Number("--seeds", "Worlds that a mutant has to get through", 100, 1, 1_000_000);
    private readonly Option<int?> sample = new("--sample") { Description = "Only so many mutants, chosen at random." };
    private readonly Option<int> seed = new("--seed") { Description = "Decides which mutants are chosen.", DefaultValueFactory = _ => 1 };
    private readonly Option<FileInfo?> tests = new("--tests") { Description = "The tests' program, Broker.Tests.dll: mutants that survive the worlds are run against the tests too." };
    private readonly Option<string[]> rounds = new("--classes")
    {
        Description = "Test classes, separated by commas; may be repeated: each group is run only against mutants that survived the groups before it.",
        AllowMultipleArgumentsPerToken = true,
        DefaultValueFactory = _ => ["*InProcessLedgerTests", "*BrokeOnceTests,*ConnectionCapsTests,*WayOfARequestTests,*RotationTests,*VerificationTests,*RevocationTests,*LostAnswersTests,*LeftoversTests,*LedgerLossTests"],
    };

    private readonly Option<int> jobs = CommandOptions.Number("--jobs", "Mutants at once", Environment.ProcessorCount, 1, 256);
    private readonly Option<bool> json = new("--json") { Description = "Print what became of each mutant as JSON instead of the table." };

    public static Command Create()
    {
        var options = new MutateCommand();
        options.script.AcceptOnlyFromAmong([.. LedgerScripts.Files.Select(file => Path.GetFileNameWithoutExtension(file))]);
        var command = new Command("mutate", "Change the ledger's scripts, one thing at a time, and see whether the simulation and the tests notice.")
        {
            options.script, options.seeds, options.sample, options.seed, options.tests, options.rounds, options.jobs, options.json,
        };
        command.SetAction(options.RunAsync);
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        var console = AnsiConsole.Create(new() { Out = new AnsiConsoleOutput(Console.Error) });
        var killer = parsed.GetValue(tests) is { } program ? new TestKiller(program.FullName, [.. parsed.GetValue(rounds)!.Select(round => round.Split(','))]) : null;
        if (killer is not null) await killer.CheckAsync(cancellation);

        var mutants = Mutants(parsed);
        var results = new MutantResult[mutants.Length];
        console.Progress().Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn()).Start(progress =>
        {
            var worlds = progress.AddTask("worlds as they are", maxValue: 1);
            var reach = Reach.Of(parsed.GetValue(seeds), parsed.GetValue(jobs));
            worlds.Increment(1);
            if (reach.Broken.Count > 0) Console.Error.WriteLine($"left out, for they break a law without a mutant: seeds {string.Join(", ", reach.Broken)}");
            var task = progress.AddTask($"{mutants.Length} mutants", maxValue: mutants.Length);
            var run = new MutationRun(reach, killer);
            Threads.Run(mutants.Length, parsed.GetValue(jobs), at =>
            {
                results[at] = run.Try(mutants[at], cancellation);
                task.Increment(1);
            });
        });

        if (parsed.GetValue(json)) Console.Out.WriteLine(MutationTable.ToJson(results));
        else MutationTable.Write(AnsiConsole.Console, results);
        return 0;
    }

    private Mutant[] Mutants(ParseResult parsed)
    {
        var wanted = parsed.GetValue(script) is { Length: > 0 } named ? named.Select(name => name + ".lua") : LedgerScripts.Files;
        Mutant[] all = [.. wanted.SelectMany(file => Mutator.Make(file, Decision.Read(file)))];
        if (parsed.GetValue(sample) is { } some && some < all.Length)
        {
            new Random(parsed.GetValue(seed)).Shuffle(all);
            all = [.. all.Take(some).OrderBy(mutant => mutant.File, StringComparer.Ordinal).ThenBy(mutant => mutant.Start)];
        }

        return all;
    }
}
