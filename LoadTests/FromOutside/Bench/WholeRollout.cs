using LoadTests.FromInside.Capacity;
using LoadTests.Servers.Stages;
using StackExchange.Redis;

namespace LoadTests.FromOutside.Bench;

/// <summary>
/// A rollout that is large for one machine, for real and in the capacity model: pods of <see cref="Databases"/> databases without a lease, three replicas, a Redis Cluster of three masters. The
/// model is told the service times that were measured before and that everything shares this machine's processors; what it says stands beside what was seen.
/// </summary>
internal static class WholeRollout
{
    private const int Databases = 8, Replicas = 3, Masters = 3, WarmPods = 6_000, WarmClaims = 10_000, WarmAtOnce = 64;

    // Between two on one machine.
    private static readonly TimeSpan RoundTrip = TimeSpan.FromMicroseconds(50);

    public static async Task<WholeRolloutResult> MeasureAsync(int pods, IReadOnlyList<int> withinSeconds, Action<string> say, CancellationToken cancellation)
    {
        var (times, hotSlot) = await MeasuredTimes.MeasureAsync(say, cancellation);
        var runs = new List<HeldAgainst>();
        foreach (var seconds in withinSeconds)
        {
            say($"{pods} pods within {seconds} s");
            runs.Add(await RunAsync(pods, TimeSpan.FromSeconds(seconds), times, say, cancellation));
        }

        return new(times, hotSlot, runs);
    }

    private static async Task<HeldAgainst> RunAsync(int pods, TimeSpan rollout, ServiceTimes times, Action<string> say, CancellationToken cancellation)
    {
        // One database more, on which the replicas' code is warmed up.
        await using var stage = await Stage.SetAsync(
            new()
            {
                Replicas = Replicas,
                Ledger = LedgerKind.RedisMasters,
                MaxConnections = (2 * pods / Databases) + WarmPods + 500,
                CeilingPercent = 100,
                Connections = 1,
                MaxHoldersPerLease = 500,
                Configure = static (_, configuration) => ManyDatabases.Multiply(configuration["Broker"]!, Databases + 1, Databases + 1),
            },
            cancellation);
        await using var redis = await ConnectionMultiplexer.ConnectAsync($"{stage.Ledger!.ConnectionString},allowAdmin=true");
        var tokens = Pods.Tokens(stage.Identity, 0, WarmPods + pods);
        say("the replicas' code is warmed up");
        await PacedPods.ComeAsync([.. tokens.Take(WarmPods).Select((token, pod) => PodOf(pod, Databases, TimeSpan.Zero, token))], WarmAtOnce, cancellation);
        foreach (var broker in stage.Brokers)
        {
            using var again = new Pods(broker.Address);
            await again.ClaimAllAsync(
                Enumerable.Range(0, WarmClaims).Select(claim => (tokens[claim % WarmPods], (string?)null, ManyDatabases.RoleOf(Databases))), WarmAtOnce, cancellation);
        }

        say("the rollout");
        var random = new Random(1);
        PacedPod[] coming = [.. tokens.Skip(WarmPods).Select((token, pod) => PodOf(random.Next(Replicas), pod % Databases, random.NextDouble() * rollout, token))];
        var before = await Spent.ReadAsync(stage, redis);
        var (waited, late, errors, took) = await PacedPods.ComeAsync(coming, 0, cancellation);
        var spent = (await Spent.ReadAsync(stage, redis)).Since(before);

        var model = CapacityModel.Run(
            new()
            {
                Pods = pods,
                Databases = Databases,
                Replicas = Replicas,
                Masters = Masters,
                Rollout = rollout,
                Cores = Environment.ProcessorCount,
                Processors = Environment.ProcessorCount,
                RoundTrip = RoundTrip,
                Addresses = [.. Enumerable.Range(0, Databases).Select(number => Broker.Core.Ledger.LedgerKeys.Address(ManyDatabases.ServerOf(number), ManyDatabases.DatabaseOf(number)))],
                Seed = 1,
            },
            times);
        var thousands = pods / 1000.0;
        return new(
            pods, rollout.TotalSeconds, Replicas, Databases, errors, Advice.Of(model),
            [
                new("all served after, s", model.Took, took.TotalSeconds),
                new("answer p50, ms", model.P50 * 1000, Percentile.Of(waited, 50) * 1000),
                new("answer p99, ms", model.P99 * 1000, Percentile.Of(waited, 99) * 1000),
                new("slowest answer, ms", model.Most * 1000, waited.Max() * 1000),
                new("of that, pods that came late, p50, ms", 0, Percentile.Of(late, 50) * 1000),
                new("processor for 1,000 pods, replicas, rounds too, s", model.ReplicasWorked / thousands, spent.Replicas.TotalSeconds / thousands),
                new("processor for 1,000 pods, Redis, rounds too, s", model.MastersWorked / thousands, spent.Redis.TotalSeconds / thousands),
                new("processor for 1,000 pods, the generator, s", model.GeneratorWorked / thousands, spent.Generator.TotalSeconds / thousands),
                new("the same, all else on the machine (the database, others' work), s", 0, (spent.Machine - spent.Replicas - spent.Redis - spent.Generator).TotalSeconds / thousands),
            ]);

        PacedPod PodOf(int replica, int role, TimeSpan at, string token) => new(at, new Uri(stage.Brokers[replica % Replicas].Address, Pods.ClaimPath(ManyDatabases.RoleOf(role))), token);
    }
}

/// <summary>The service times, what one slot carries, and the model held against real rollouts.</summary>
internal sealed record WholeRolloutResult(ServiceTimes Times, IReadOnlyList<HotSlotRow> HotSlot, IReadOnlyList<HeldAgainst> Runs)
{
    public long Errors => Runs.Sum(static run => run.Errors);
}

/// <summary>One rollout.</summary>
internal sealed record HeldAgainst(int Pods, double WithinSeconds, int Replicas, int Databases, int Errors, string Model, IReadOnlyList<HeldFigure> Figures);

/// <summary>One figure, by the model and as it was seen.</summary>
internal sealed record HeldFigure(string Name, double Model, double Seen)
{
    /// <summary>What was seen, to the model's.</summary>
    public double SeenToModel => Model > 0 ? Seen / Model : 0;
}
