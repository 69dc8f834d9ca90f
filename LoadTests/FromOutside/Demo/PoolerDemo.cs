using LoadTests.FromOutside.Rollouts;
using LoadTests.Servers.Stages;
using Spectre.Console;

namespace LoadTests.FromOutside.Demo;

/// <summary><c>loadtests demo --pgbouncer</c>: pods that cannot size their own pools, on a database that is far too small for them, without and with PgBouncer.</summary>
internal static class PoolerDemo
{
    private const int MaxConnections = 100, PerPod = 20, PoolSize = 40;

    public static async Task<int> RunAsync(int pods, bool stay, IssuerKind issuer, CancellationToken cancellation)
    {
        var progress = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        var rollout = new RolloutSettings { Pods = pods, Connections = PerPod, MinConnections = PerPod, Retry = false };
        var settings = new StageSettings { MaxConnections = MaxConnections, Issuer = issuer, Connections = PerPod, ExpectedHolders = pods };

        Console.WriteLine($"{pods} pods start at once; each opens {PerPod} connections and accepts no fewer. PostgreSQL has max_connections = {MaxConnections}.");
        Console.WriteLine("Without the broker: every pod gets its own database user and opens its pool.");
        var without = await PlayAsync(rollout with { Via = Via.Issuer }, settings with { Replicas = 0 }, progress, cancellation);
        Console.WriteLine($"With the broker: {settings.Replicas} replicas and Redis. Pods that do not fit are told so.");
        var with = await PlayAsync(rollout, settings, progress, cancellation);
        Console.WriteLine($"With the broker, and PgBouncer between pods and database: {PoolSize} of the database's connections are its pool.");
        var pooled = settings with { PoolSize = PoolSize };
        await using var stage = await Stage.SetAsync(pooled, cancellation);
        var behind = await RolloutRun.OnStageAsync(rollout, pooled, stage, progress, TimeProvider.System, cancellation);
        ResultTable.Write(
            AnsiConsole.Console, $"{pods} pods × {PerPod} connections, max_connections = {MaxConnections}", ("without the broker", without), ("with the broker", with), ("with the broker and PgBouncer", behind));

        string[] faults = [.. with.Faults, .. behind.Faults, .. NotAsShown(pods, behind)];
        foreach (var fault in faults)
            Console.Error.WriteLine($"Not as expected: {fault}");
        if (stay)
            await StayOpen.UntilCancelledAsync(stage, AnsiConsole.Console, cancellation);
        return faults.Length == 0 ? 0 : 1;
    }

    private static async Task<RolloutResult> PlayAsync(RolloutSettings rollout, StageSettings settings, IAnsiConsole progress, CancellationToken cancellation)
    {
        await using var stage = await Stage.SetAsync(settings, cancellation);
        return await RolloutRun.OnStageAsync(rollout, settings, stage, progress, TimeProvider.System, cancellation);
    }

    private static IEnumerable<string> NotAsShown(int pods, RolloutResult behind)
    {
        if (behind.ConnectionsOpened != pods * PerPod)
            yield return $"Through PgBouncer {behind.ConnectionsOpened} connections were opened instead of {pods * PerPod}.";
        if (behind.Refusals.Count > 0)
            yield return $"Through PgBouncer the broker refused {behind.Refusals.Values.Sum()} times.";
        if (behind.MostConnectionsAtOnce > PoolSize)
            yield return $"PgBouncer had {behind.MostConnectionsAtOnce} connections to the database instead of {PoolSize} at most.";
    }
}
