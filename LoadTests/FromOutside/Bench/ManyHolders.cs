using System.Diagnostics;
using System.Globalization;
using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;
using StackExchange.Redis;

namespace LoadTests.FromOutside.Bench;

/// <summary>
/// What holders cost: the memory of a replica and of Redis, and whether a claim becomes slower the more there are. Every
/// holder is claimed over HTTP with one real connection of a PostgreSQL that allows that many; the first
/// <see cref="PodsOfTheirOwn"/> are pods with tokens of their own, those beyond are further holders of the same pods.
/// </summary>
internal static class ManyHolders
{
    private const int PodsOfTheirOwn = 10_000;
    private const int SequentialClaims = 300;

    /// <summary>The number of names under which a pod asks; together with those that fill the ledger they are fewer than the 20 that a pod may have by default.</summary>
    private const int NamesOfAPod = 10;

    /// <summary>A PostgreSQL that allows each holder a connection. Its shared memory grows with its connections, so all else is small.</summary>
    public static StageSettings Stage(int most) => new()
    {
        Replicas = 1,
        MaxConnections = most + 2_000,
        CeilingPercent = 100,
        MaxHoldersPerLease = 100_000,
        Connections = 1,
        PostgresWithin = TimeSpan.FromMinutes(5),
        PostgresSettings = new Dictionary<string, string>
        {
            ["shared_buffers"] = "1MB",
            ["max_locks_per_transaction"] = "10",
            ["max_pred_locks_per_transaction"] = "10",
            ["max_wal_senders"] = "0",
        },
    };

    public static async Task<IReadOnlyList<HoldersResult>> MeasureAsync(
        Stage stage, BenchSettings settings, IReadOnlyList<int> steps, ILoadGenerator generator, Action<string> say, CancellationToken cancellation)
    {
        var broker = stage.Brokers[0];
        using var pods = new Pods(broker.Address);
        await using var redis = await stage.Redis!.AdministerAsync();
        var tokens = new List<string>();
        var results = new List<HoldersResult>();
        var before = 0L;
        var held = 0;
        foreach (var step in steps)
        {
            say($"{step} holders: filling");
            // The cost of the lease and of everything but holders is not counted.
            if (held == 0)
            {
                tokens.AddRange(Pods.Tokens(stage.Identity, 0, 1));
                await pods.ClaimAllAsync(tokens, 1, cancellation);
                held = 1;
                before = await RedisMemoryAsync(redis);
            }

            await pods.ClaimAllAsync(Further(stage.Identity, tokens, held, step), settings.Connections, cancellation);
            held = Math.Max(held, step);
            var (replica, memory) = (ReplicaMemory(broker), await RedisMemoryAsync(redis));
            say($"{step} holders: claiming");
            results.Add(await MeasureAsync(stage, settings, pods, redis, tokens, generator, cancellation) with
            {
                Holders = step,
                ReplicaMegabytes = replica / 1e6,
                RedisMegabytes = memory / 1e6,
                RedisBytesPerHolder = step > 1 ? (memory - before) / (double)(step - 1) : null,
            });
        }

        return results;
    }

    private static async Task<HoldersResult> MeasureAsync(
        Stage stage, BenchSettings settings, Pods pods, IConnectionMultiplexer redis, List<string> tokens, ILoadGenerator generator, CancellationToken cancellation)
    {
        string[] asking = [.. tokens.Take(settings.Pods)];
        var sequential = new List<double>();
        for (var claim = 0; claim < SequentialClaims; claim++)
            sequential.Add((await pods.ClaimAsync(asking[claim % asking.Length], Body("again-" + claim % NamesOfAPod), cancellation)).TotalMilliseconds);

        var each = settings.Measure / settings.Rounds;
        List<Load> live = [], again = [];
        for (var round = 0; round < settings.Rounds; round++)
        {
            live.Add(await ClaimRate.RunAsync(generator, ClaimRate.LiveOf(stage, asking), settings.Connections, each, cancellation));
            again.Add(await ClaimRate.RunAsync(generator, ClaimRate.ClaimOf(stage, redis, asking), settings.Connections, each, cancellation));
        }

        var rate = ClaimRate.PerSecond(again);
        return new(0, 0, 0, null, sequential.Order().ElementAt(sequential.Count / 2), rate, rate / ClaimRate.PerSecond(live), ClaimRate.ProcessorMicroseconds(again), again.Sum(load => load.Errors));
    }

    private static IEnumerable<(string Token, string? Body, string Role)> Further(LocalIdentity identity, List<string> tokens, int held, int until)
    {
        var pods = Math.Min(until, PodsOfTheirOwn);
        if (tokens.Count < pods) tokens.AddRange(Pods.Tokens(identity, tokens.Count, pods - tokens.Count));
        for (var holder = held; holder < until; holder++)
            yield return holder < PodsOfTheirOwn ? (tokens[holder], null, StageSettings.RoleName) : (tokens[holder % PodsOfTheirOwn], Body("h" + holder.ToString(CultureInfo.InvariantCulture)), StageSettings.RoleName);
    }

    private static string Body(string holder) => $$"""{"holder":"{{holder}}","connections":1}""";

    public static long ReplicaMemory(LocalBroker broker)
    {
        using var process = Process.GetProcessById(broker.ProcessId);
        return process.WorkingSet64;
    }

    public static async Task<long> RedisMemoryAsync(IConnectionMultiplexer redis) =>
        long.Parse((await RedisInfo.ReadAsync(redis, "memory"))["used_memory"], CultureInfo.InvariantCulture);
}
