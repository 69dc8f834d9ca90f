using System.CommandLine;
using LoadTests.FromOutside.Rollouts;
using LoadTests.Servers.Engines;
using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;
using Spectre.Console;

namespace LoadTests.FromOutside.Demo;

/// <summary><c>loadtests demo</c>: the same rollout without and with the broker, and one on a database that is too small.</summary>
internal static class DemoCommand
{
    // The administrator connections that the replicas, and the counting for the table, have open at once.
    private const int OwnConnections = 5;
    private const int Large = 200, Small = 50, SurgePercent = 25;

    public static Command Create()
    {
        var pods = new Option<int>("--pods") { Description = "How many pods.", DefaultValueFactory = _ => 100 };
        var stay = new Option<bool>("--stay") { Description = "Keep the broker running afterwards, until Ctrl-C, and print how to try it." };
        var vault = new Option<bool>("--vault") { Description = $"Let Vault create the users: {LocalVault.HowToGetOne}." };
        var pgbouncer = new Option<bool>("--pgbouncer") { Description = "Pods that open 20 connections each, on a database of 100, without and with PgBouncer." };
        var engine = CommandOptions.Choice("--engine", "The database's engine.", [.. Engine.All.Keys]);
        var command = new Command("demo", "Run the same rollout without and with the broker, then one on a database that is too small.") { pods, stay, vault, engine, pgbouncer };
        command.SetAction(async (parsed, cancellation) =>
        {
            if (parsed.GetValue(pgbouncer) && Engine.All[parsed.GetValue(engine)!] != Engine.Usual)
            {
                Console.Error.WriteLine("--pgbouncer works only with PostgreSQL: omit --engine.");
                return 2;
            }

            var (wanted, stays, issuer) = (parsed.GetValue(pods), parsed.GetValue(stay), parsed.GetValue(vault) ? IssuerKind.Vault : IssuerKind.BuiltIn);
            return parsed.GetValue(pgbouncer)
                ? await PoolerDemo.RunAsync(wanted, stays, issuer, cancellation)
                : await RunAsync(Engine.All[parsed.GetValue(engine)!], wanted, stays, issuer, cancellation);
        });
        return command;
    }

    private static async Task<int> RunAsync(Engine engine, int pods, bool stay, IssuerKind issuer, CancellationToken cancellation)
    {
        var console = AnsiConsole.Console;
        var progress = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        var rollout = new RolloutSettings { Pods = pods, Connections = 5, MinConnections = 1, Engine = engine };
        var settings = new StageSettings { Engine = engine, MaxConnections = Large, Issuer = issuer, Connections = rollout.Connections, ExpectedHolders = pods };

        Console.WriteLine($"{pods} pods start at once; each wants 5 connections and accepts 1. {engine.Product} has max_connections = {Large}.");
        Console.WriteLine("Without the broker: every pod gets its own database user and opens its pool.");
        var without = await PlayAsync(rollout with { Via = Via.Issuer }, settings with { Replicas = 0 }, progress, cancellation);
        Console.WriteLine($"With the broker: {settings.Replicas} replicas, Redis, and a {engine.Product} of the same size.");
        await using var stage = await Stage.SetAsync(settings, cancellation);
        var with = await RolloutRun.OnStageAsync(rollout, settings, stage, progress, TimeProvider.System, cancellation);
        ResultTable.Write(console, $"max_connections = {Large}", ("without the broker", without), ("with the broker", with));

        Console.WriteLine($"The same with the broker on a database that is too small: max_connections = {Small}.");
        var tooSmall = await PlayAsync(rollout with { Retry = false }, settings with { MaxConnections = Small }, progress, cancellation);
        ResultTable.Write(console, $"max_connections = {Small}", ("with the broker", tooSmall));

        // As many connections as old pods and surge can live with, the broker's and the watcher's own few, and not one more.
        var surge = (pods * SurgePercent + 99) / 100;
        var full = settings.MaxConnectionsFor(pods + surge + OwnConnections);
        Console.WriteLine($"A rolling update with the broker: {pods} pods are replaced, {surge} more than wanted at a time, on a database that is then full: max_connections = {full}.");
        var update = await PlayAsync(
            rollout with { Batch = 0, Surge = surge, WaitSeconds = 30, Hold = TimeSpan.FromSeconds(1) },
            settings with { MaxConnections = full, SurgePercent = SurgePercent }, progress, cancellation);
        ResultTable.Write(console, $"rolling update, max_connections = {full}", ("with the broker", update));

        string[] faults = [.. with.Faults, .. tooSmall.Faults, .. update.Faults, .. NotAsShown(pods, with, tooSmall)];
        foreach (var fault in faults)
            Console.Error.WriteLine($"Not as expected: {fault}");
        if (stay)
            await StayOpen.UntilCancelledAsync(stage, console, cancellation);
        return faults.Length == 0 ? 0 : 1;
    }

    private static async Task<RolloutResult> PlayAsync(
        RolloutSettings rollout, StageSettings settings, IAnsiConsole progress, CancellationToken cancellation)
    {
        await using var stage = await Stage.SetAsync(settings, cancellation);
        return await RolloutRun.OnStageAsync(rollout, settings, stage, progress, TimeProvider.System, cancellation);
    }

    private static IEnumerable<string> NotAsShown(int pods, RolloutResult with, RolloutResult tooSmall)
    {
        if (with.UsersCreated != 1)
            yield return $"The broker created {with.UsersCreated} database users instead of 1.";
        if (tooSmall.PodsAtWork == 0)
            yield return "On the small database no pod got to work.";
        if (tooSmall.PodsAtWork < pods && tooSmall.ShortestRetryAfterSeconds is null)
            yield return "On the small database nobody was told when to try again.";
    }
}
