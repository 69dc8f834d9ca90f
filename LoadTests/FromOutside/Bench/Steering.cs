using System.Globalization;
using System.Text.Json.Nodes;
using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Bench;

/// <summary>
/// What it costs claims that DBAs look on and that connections are guaranteed: two stages that differ in guarantees alone, and one that is claimed from while
/// the page is followed. All take turns in short rounds, so that whatever else happens on this machine hits all alike.
/// </summary>
internal static class Steering
{
    private const string Plain = "a claim", Watched = "a claim, the page followed by 3", Guarded = "a claim, with guarantees";
    private const string PlainNew = "a new holder", GuardedNew = "a new holder, with guarantees";
    private const int NewEachRound = 200;

    /// <summary>How many of the server's connections are guaranteed to other parties, on this database and on another of its server.</summary>
    private const int Guaranteed = 100;

    private static readonly Dictionary<string, string> Beside = new(StringComparer.Ordinal) { [Watched] = Plain, [Guarded] = Plain, [GuardedNew] = PlainNew };

    public static async Task<IReadOnlyList<FrontResult>> MeasureAsync(BenchSettings settings, ILoadGenerator generator, Action<string> say, CancellationToken cancellation)
    {
        await using var plain = await Stage.SetAsync(StageOf(settings, guarantees: false), cancellation);
        await using var guarded = await Stage.SetAsync(StageOf(settings, guarantees: true), cancellation);
        await using var plainRedis = await plain.Redis!.AdministerAsync();
        await using var guardedRedis = await guarded.Redis!.AdministerAsync();
        using var plainPods = new Pods(plain.Brokers[0].Address);
        using var guardedPods = new Pods(guarded.Brokers[0].Address);
        var (plainTokens, guardedTokens) = (Pods.Tokens(plain.Identity, 0, settings.Pods), Pods.Tokens(guarded.Identity, 0, settings.Pods));
        await plainPods.ClaimAllAsync(plainTokens, settings.Connections, cancellation);
        await guardedPods.ClaimAllAsync(guardedTokens, settings.Connections, cancellation);
        var (again, against) = (ClaimRate.ClaimOf(plain, plainRedis, plainTokens), ClaimRate.ClaimOf(guarded, guardedRedis, guardedTokens));
        var rounds = new[] { Plain, Watched, Guarded, PlainNew, GuardedNew }.ToDictionary(name => name, _ => new List<Load>());

        say($"warming up, {settings.Warmup.TotalSeconds:0} s");
        foreach (var target in new[] { again, against }) await ClaimRate.RunAsync(generator, target, settings.Connections, settings.Warmup / 2, cancellation);
        for (var round = 1; round <= settings.Rounds; round++)
        {
            say($"round {round} of {settings.Rounds}");
            await ClaimRate.TakeTurnsAsync(round, async () => rounds[Plain].Add(await RunAsync(again)), async () => rounds[Guarded].Add(await RunAsync(against)), WatchedAsync);
            rounds[PlainNew].Add(await NewAsync(plainPods, again, plainTokens, round, cancellation));
            rounds[GuardedNew].Add(await NewAsync(guardedPods, against, guardedTokens, round, cancellation));
        }

        return [.. rounds.Select(row => FrontResult.Of(row.Key, row.Value, Beside.TryGetValue(row.Key, out var other) ? rounds[other] : null))];

        async Task WatchedAsync()
        {
            await using var followers = await Followers.StartAsync(plain, StageSettings.DatabaseName, cancellation);
            rounds[Watched].Add(await RunAsync(again));
        }

        Task<Load> RunAsync(Target target) => ClaimRate.RunAsync(generator, target, settings.Connections, settings.Measure / settings.Rounds, cancellation);
    }

    // Further holders of the same pods, one after the other: each is counted and divided for.
    private static async Task<Load> NewAsync(Pods pods, Target target, string[] tokens, int round, CancellationToken cancellation)
    {
        var before = await target.Processor();
        var took = new List<TimeSpan>();
        for (var holder = 0; holder < NewEachRound; holder++)
            took.Add(await pods.ClaimAsync(tokens[holder % tokens.Length], string.Create(CultureInfo.InvariantCulture, $$"""{"holder":"r{{round}}-{{holder}}","connections":1}"""), cancellation));
        var sorted = took.Order().ToArray();
        return new(NewEachRound, TimeSpan.FromTicks(took.Sum(one => one.Ticks)), sorted[sorted.Length / 2], sorted[sorted.Length * 99 / 100], 0) { Processor = await target.Processor() - before };
    }

    private static StageSettings StageOf(BenchSettings settings, bool guarantees) => new()
    {
        Replicas = 1,
        MaxConnections = settings.Pods + (NewEachRound * settings.Rounds) + (2 * Guaranteed) + 500,
        CeilingPercent = 100,
        Connections = 1,
        Configure = guarantees ? (_, configuration) => Guarantee(configuration) : null,
    };

    private static void Guarantee(JsonObject configuration)
    {
        var broker = configuration["Broker"]!;
        var (databases, roles) = (broker["Databases"]!.AsObject(), broker["Roles"]!.AsObject());
        databases["billing"] = databases[StageSettings.DatabaseName]!.DeepClone();
        foreach (var (name, database) in new[] { ("orders-batch", StageSettings.DatabaseName), ("billing-api", "billing") })
        {
            var role = roles[StageSettings.RoleName]!.DeepClone();
            role["Database"] = database;
            role["Connections"]!["Guaranteed"] = Guaranteed;
            roles[name] = role;
        }
    }
}
