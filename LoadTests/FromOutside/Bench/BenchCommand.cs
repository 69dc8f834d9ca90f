using System.CommandLine;
using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;
using Spectre.Console;

namespace LoadTests.FromOutside.Bench;

/// <summary><c>loadtests bench</c>: figures, never a verdict on time; compare only what one run shows side by side.</summary>
internal sealed class BenchCommand
{
    private const string Claims = "claims", Start = "start", Holders = "holders", BurstPart = "burst", Vault = "vault", SteeringPart = "steering", FleetPart = "fleet", RolloutPart = "rollout";

    private readonly Option<string[]> part = new("--part") { Description = "Only this part: burst, claims, vault, steering, start, holders, fleet or rollout (can be repeated).", AllowMultipleArgumentsPerToken = true };
    private readonly Option<int> pods = CommandOptions.Number("--pods", "Pods that ask again", 1_000, 1, 10_000);
    private readonly Option<int> connections = CommandOptions.Number("--connections", "Requests at once", 100, 1, 1_000);
    private readonly Option<TimeSpan> warmup = CommandOptions.Duration("--warmup", "How long to load all targets together before measuring.", TimeSpan.FromSeconds(30));
    private readonly Option<int> seconds = CommandOptions.Number("--seconds", "Seconds of measured load, for each target", 20, 1, 3_600);
    private readonly Option<int> rounds = CommandOptions.Number("--rounds", "Rounds in which the targets take turns", 5, 1, 1_000);
    private readonly Option<int[]> holders = CommandOptions.Numbers("--holders", "How many holders there are when a claim's cost is measured, smallest first.", 1, 10_000, 100_000);
    private readonly Option<int[]> bursts = CommandOptions.Numbers("--bursts", "Sizes of the bursts: pods at once.", 100, 300);
    private readonly Option<int[]> replicas = CommandOptions.Numbers("--replicas", "Broker processes that a burst meets.", 1, 3);
    private readonly Option<int> rolloutPods = CommandOptions.Number("--rollout-pods", "Pods of the rollout that the capacity model is compared with", 10_000, 100, 20_000);
    private readonly Option<int[]> rollouts = CommandOptions.Numbers("--rollouts", "Seconds within which they start; each value is a separate rollout.", 40, 15, 3);
    private readonly Option<FileInfo?> times = new("--times") { Description = "Write the capacity model's service times, as they were measured, into this file (simulate --pods --times reads it)." };
    private readonly Option<bool> json = new("--json") { Description = "Print the result as JSON." };

    public static Command Create()
    {
        var options = new BenchCommand();
        options.part.AcceptOnlyFromAmong(BurstPart, Claims, Vault, SteeringPart, Start, Holders, FleetPart, RolloutPart);
        var command = new Command("bench", "Measure claims next to empty endpoints in one run, a fresh replica's first burst, and what holders cost.")
        {
            options.part, options.pods, options.connections, options.warmup, options.seconds, options.rounds, options.holders, options.bursts, options.replicas, options.rolloutPods, options.rollouts, options.times, options.json,
        };
        command.SetAction(options.RunAsync);
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        var settings = new BenchSettings
        {
            Pods = parsed.GetValue(pods),
            Connections = parsed.GetValue(connections),
            Warmup = parsed.GetValue(warmup),
            Measure = TimeSpan.FromSeconds(parsed.GetValue(seconds)),
            Rounds = Math.Min(parsed.GetValue(rounds), parsed.GetValue(seconds)),
        };
        var parts = parsed.GetValue(part) is { Length: > 0 } named ? named : [BurstPart, Claims, Vault, SteeringPart, Start, Holders, FleetPart, RolloutPart];
        await using var wrk = await WrkGenerator.FindAsync(cancellation);
        using var client = new HttpClientGenerator(TimeProvider.System);
        ILoadGenerator generator = wrk is null ? client : wrk;
        var result = new BenchResult { Generator = generator.Name, Build = Build(), Processors = Environment.ProcessorCount };

        if ((parts.Contains(BurstPart) || parts.Contains(Claims)) && LocalVaultAgent.Program is null) result.VaultAgentSkipped = $"{ClaimRate.Agent}: skipped; {LocalVaultAgent.HowToGetOne}.";
        if (parts.Contains(BurstPart))
        {
            var measured = new List<BurstResult>();
            foreach (var size in parsed.GetValue(bursts)!)
                foreach (var count in parsed.GetValue(replicas)!) measured.Add(await Burst.MeasureAsync(size, count, settings.Rounds, Say, cancellation));
            result.Bursts = measured;
        }

        if (parts.Contains(Claims) || parts.Contains(Start))
        {
            Say("setting the stage");
            await using var stage = await Stage.SetAsync(
                new() { Replicas = parts.Contains(Start) ? 2 : 1, MaxConnections = settings.Pods + 1_000, CeilingPercent = 100, Connections = 1 }, cancellation);
            if (parts.Contains(Start))
                result.Start = await FreshReplica.MeasureAsync(stage, Say, cancellation);
            if (parts.Contains(Claims))
            {
                await using var agent = await VaultAgent.StartAsync(stage.Postgres, cancellation);
                if (agent is not null) await agent.MustCacheAsync(cancellation);
                result.Targets = await ClaimRate.MeasureAsync(stage, settings, generator, agent is null ? [] : [agent.Target], Say, cancellation);
            }
        }

        if (parts.Contains(Vault))
        {
            Say("setting the stage for Vault's clients");
            await using var stage = await Stage.SetAsync(new() { Replicas = 1, MaxConnections = settings.Pods + 1_000, CeilingPercent = 100, Connections = 1, MaxHoldersPerLease = 10_000 }, cancellation);
            result.Fronts = await VaultFront.MeasureAsync(stage, settings, generator, Say, cancellation);
        }

        if (parts.Contains(SteeringPart))
        {
            Say("setting two stages, one with guarantees");
            result.Steering = await Steering.MeasureAsync(settings, generator, Say, cancellation);
        }

        if (parts.Contains(Holders))
        {
            var steps = parsed.GetValue(holders)!;
            Say("setting the stage for many holders; a PostgreSQL that allows so many connections takes a minute to start");
            await using var stage = await Stage.SetAsync(ManyHolders.Stage(steps.Max()), cancellation);
            result.Holders = await ManyHolders.MeasureAsync(stage, settings, steps, generator, Say, cancellation);
        }

        if (parts.Contains(FleetPart))
        {
            Say("setting the stage for a fleet of databases");
            result.Fleet = await Fleet.MeasureAsync(settings, parsed.GetValue(holders)!.Max(), generator, Say, cancellation);
        }

        if (parts.Contains(RolloutPart))
        {
            result.Rollout = await WholeRollout.MeasureAsync(parsed.GetValue(rolloutPods), parsed.GetValue(rollouts)!, Say, cancellation);
            if (parsed.GetValue(times) is { } file) await File.WriteAllTextAsync(file.FullName, result.Rollout.Times.ToJson() + "\n", cancellation);
        }

        if (parsed.GetValue(json))
            Console.Out.WriteLine(result.ToJson());
        else
            BenchTable.Write(AnsiConsole.Console, result);
        var errors = (result.Targets?.Sum(target => target.Errors) ?? 0) + (result.Fronts?.Sum(front => front.Errors) ?? 0) + (result.Steering?.Sum(row => row.Errors) ?? 0) + (result.Start?.Errors ?? 0) + (result.Holders?.Sum(row => row.Errors) ?? 0) + (result.Fleet?.Errors ?? 0) + (result.Rollout?.Errors ?? 0) + (result.Bursts?.Sum(burst => burst.Errors) ?? 0);
        if (errors > 0)
            await Console.Error.WriteLineAsync($"Not as expected: {errors} requests got an unexpected answer.");
        return errors == 0 ? 0 : 1;
    }

    private static string Build() =>
        BrokerProgram.IsCompiledAheadOfTime(BrokerProgram.Find())
            ? "the published one, compiled ahead of time"
            : "the developers' build, which compiles as it runs (LoadTests/bench.sh measures the published one)";

    private static void Say(string what) => Console.Error.WriteLine(what);
}
