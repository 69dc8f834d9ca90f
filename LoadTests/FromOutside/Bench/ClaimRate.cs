using LoadTests.Servers.Stages;
using StackExchange.Redis;

namespace LoadTests.FromOutside.Bench;

/// <summary>
/// Claims a second on a lease that is there, by pods that ask again, beside endpoints that do nothing. All take turns in short
/// rounds, so that whatever else happens on this machine hits all alike.
/// </summary>
internal static class ClaimRate
{
    public const string Empty = "an empty endpoint", Live = "the broker's /health/live", Authenticated = "empty, behind remembered tokens", Claim = "a claim", Agent = "a Vault Agent's cached read";

    public static async Task<IReadOnlyList<TargetResult>> MeasureAsync(
        Stage stage, BenchSettings settings, ILoadGenerator generator, IEnumerable<Target> others, Action<string> say, CancellationToken cancellation)
    {
        await using var yardstick = await Yardstick.StartAsync(stage.Identity, cancellation);
        var tokens = Pods.Tokens(stage.Identity, 0, settings.Pods);
        var broker = stage.Brokers[0].Address;
        await using var redis = await stage.Redis!.AdministerAsync();
        Func<Task<TimeSpan>> bare = () => Task.FromResult(ProcessorTime.Of(yardstick.ProcessId));
        List<Target> targets =
        [
            new(Empty, HttpMethod.Post, yardstick.Empty, tokens, bare),
            new(Authenticated, HttpMethod.Post, yardstick.Authenticated, tokens, bare),
            LiveOf(stage, tokens),
            ClaimOf(stage, redis, tokens),
            .. others,
        ];
        using (var pods = new Pods(broker))
            await pods.ClaimAllAsync(tokens, settings.Connections, cancellation);
        say($"warming up, {settings.Warmup.TotalSeconds:0} s");
        await RoundAsync(targets, settings.Warmup / targets.Count);

        var rounds = targets.ToDictionary(target => target, _ => new List<Load>());
        for (var round = 1; round <= settings.Rounds; round++)
        {
            say($"round {round} of {settings.Rounds}");
            foreach (var (target, load) in await RoundAsync(targets, settings.Measure / settings.Rounds))
                rounds[target].Add(load);
        }

        double empty = RateOf(Empty)!.Value, authenticated = RateOf(Authenticated)!.Value;
        var agent = RateOf(Agent);
        return targets.ConvertAll(target =>
        {
            var loads = rounds[target];
            var rate = PerSecond(loads);
            return new TargetResult(
                target.Name, rate, rate / empty, rate / authenticated, rate / agent, ProcessorMicroseconds(loads), Middle(loads, load => load.P50), Middle(loads, load => load.P99), loads.Sum(load => load.Errors));
        });

        double? RateOf(string name) => targets.Find(target => target.Name == name) is { } target ? PerSecond(rounds[target]) : null;

        async Task<List<(Target, Load)>> RoundAsync(IEnumerable<Target> turn, TimeSpan each)
        {
            var loads = new List<(Target, Load)>();
            foreach (var target in turn)
                loads.Add((target, await RunAsync(generator, target, settings.Connections, each, cancellation)));
            return loads;
        }
    }

    public static Target LiveOf(Stage stage, IReadOnlyList<string> tokens) => new(
        Live, HttpMethod.Get, new Uri(stage.Brokers[0].Address, "/health/live"), tokens, () => Task.FromResult(ProcessorTime.Of(stage.Brokers[0].ProcessId)));

    public static Target ClaimOf(Stage stage, IConnectionMultiplexer redis, IReadOnlyList<string> tokens) => new(
        Claim, HttpMethod.Post, Pods.ClaimAddress(stage.Brokers[0].Address), tokens,
        async () => ProcessorTime.Of(stage.Brokers[0].ProcessId) + await ProcessorTime.OfAsync(redis));

    public static async Task<Load> RunAsync(ILoadGenerator generator, Target target, int connections, TimeSpan duration, CancellationToken cancellation)
    {
        var before = await target.Processor();
        var load = await generator.RunAsync(target, connections, duration, cancellation);
        return load with { Processor = await target.Processor() - before };
    }

    /// <summary>Runs all of a round. Each comes first in every other round, so that what the one before leaves behind favors none.</summary>
    public static async Task TakeTurnsAsync(int round, params Func<Task>[] runs)
    {
        foreach (var run in round % 2 == 1 ? runs : [.. runs.Reverse()]) await run();
    }

    public static double ProcessorMicroseconds(IReadOnlyCollection<Load> loads) => loads.Sum(load => load.Processor.TotalMicroseconds) / loads.Sum(load => load.Requests);

    public static double PerSecond(IReadOnlyCollection<Load> loads) => loads.Sum(load => load.Requests) / loads.Sum(load => load.Took.TotalSeconds);

    public static double Middle(List<Load> loads, Func<Load, TimeSpan> of) =>
        loads.Select(load => of(load).TotalMilliseconds).Order().ElementAt(loads.Count / 2);
}
