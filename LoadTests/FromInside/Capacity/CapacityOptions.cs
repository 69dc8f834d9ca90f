using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.Json;
using Broker.Api.Commands;
using Spectre.Console;

namespace LoadTests.FromInside.Capacity;

/// <summary>The options of <c>loadtests simulate --pods</c>, which computes how many pods the replicas and Redis can serve instead of running worlds.</summary>
internal sealed class CapacityOptions
{
    private const int MostReplicas = 1_000;

    private const int MostPods = 1_000_000;

    private readonly Option<int?> pods = new("--pods")
    {
        Description = $"Model a rollout of this many pods (1-{MostPods}) instead of running seeds; the capacity model (docs/performance.md) says where the first queue grows.",
        CustomParser = static result => NumberOption.Read("--pods", result, 1, 1, MostPods),
    };

    private readonly Option<int> databases = CommandOptions.Number("--databases", "With --pods: databases, each a server of its own", 50, 1, 1_000);
    private readonly Option<int[]> replicas = CommandOptions.NumbersWithin("--replicas", "With --pods: replicas of the broker; several, with commas between, are modelled one after the other", 1, MostReplicas, 3, 10, 30);
    private readonly Option<int> masters = CommandOptions.Number("--masters", "With --pods: masters of the Redis Cluster", 3, 1, 1_000);
    private readonly Option<TimeSpan> rollout = CommandOptions.Duration("--rollout", "With --pods: the time in which they start; 0s: all at once.", TimeSpan.FromSeconds(60));
    private readonly Option<int> hot = CommandOptions.Number("--hot", "With --pods: the percentage of the pods that use one of the databases; 0: each database has as many as any other", 0, 0, 100);
    private readonly Option<int> cores = CommandOptions.Number("--cores", "With --pods: processors of a replica", 1, 1, 256);
    private readonly Option<int> processors = CommandOptions.Number("--processors", "With --pods: processors of one machine that everything shares, the load generator too; 0: each its own", 0, 0, 1_024);
    private readonly Option<TimeSpan> roundTrip = CommandOptions.Duration("--round-trip", "With --pods: a message there and one back, between any two.", TimeSpan.FromMilliseconds(0.5));
    private readonly Option<bool> warm = new("--warm") { Description = "With --pods: each database has a lease when they come." };
    private readonly Option<FileInfo> times = new("--times") { Description = "With --pods: a file of service times, as bench --part rollout --times writes it; without it those that are kept in LoadTests/FromInside/Capacity." };

    /// <summary>Whether the model is asked for instead of worlds.</summary>
    public bool AreAskedFor(ParseResult parsed) => parsed.GetValue(pods) is not null;

    /// <summary>Adds them to a command. Its other options are for worlds, except those that both use.</summary>
    public void AddTo(Command command, params Option[] ofBoth)
    {
        Option[] ofWorlds = [.. command.Options.Except(ofBoth)];
        Option[] own = [databases, replicas, masters, rollout, hot, cores, processors, roundTrip, warm, times];
        foreach (var option in own.Prepend(pods)) command.Add(option);
        times.AcceptExistingOnly();
        command.Validators.Add(result =>
        {
            var isModel = result.GetResult(pods) is not null;
            var wrong = (isModel ? ofWorlds : own).FirstOrDefault(option => result.GetResult(option) is { Implicit: false });
            if (wrong is not null) result.AddError(isModel ? $"{wrong.Name} is of worlds, and --pods asks for the capacity model, which has none." : $"'{wrong.Name[2..]}' is of the capacity model: say --pods too.");
        });
    }

    public int Run(ParseResult parsed, long seed)
    {
        ServiceTimes measured;
        try
        {
            measured = parsed.GetValue(times) is { } file ? ServiceTimes.Read(File.ReadAllText(file.FullName)) : ServiceTimes.Kept();
        }
        catch (Exception failure) when (failure is JsonException or IOException or UnauthorizedAccessException)
        {
            parsed.InvocationConfiguration.Error.WriteLine($"--times: {failure.Message.ReplaceLineEndings(" ")}");
            return 2;
        }

        var plan = new CapacityPlan
        {
            Pods = parsed.GetValue(pods)!.Value,
            Databases = parsed.GetValue(databases),
            Replicas = 0,
            Masters = parsed.GetValue(masters),
            Rollout = parsed.GetValue(rollout),
            HotPercent = parsed.GetValue(hot),
            Cores = parsed.GetValue(cores),
            Processors = parsed.GetValue(processors),
            RoundTrip = parsed.GetValue(roundTrip),
            Warm = parsed.GetValue(warm),
            Seed = seed,
        };
        CapacityTable.Write(AnsiConsole.Console, [.. parsed.GetValue(replicas)!.Select(count => CapacityModel.Run(plan with { Replicas = count }, measured))], measured);
        return 0;
    }
}
