using System.CommandLine;
using LoadTests.FromOutside.Chaos.Faults;
using LoadTests.Servers.Stages;
using Spectre.Console;

namespace LoadTests.FromOutside.Chaos;

/// <summary><c>loadtests chaos</c>.</summary>
internal sealed class ChaosCommand
{
    private readonly Option<string[]> faults = new("--fault") { Description = "Only this fault (can be repeated). Default: all, one after the other.", AllowMultipleArgumentsPerToken = true };
    private readonly Option<bool> list = new("--list") { Description = "Only list the faults." };
    private readonly Option<int> pods = CommandOptions.Number("--pods", "Pods that exist at the same time", 16, 4, 1_000);
    private readonly Option<int> replicas = CommandOptions.Number("--replicas", "Broker processes", 3, 2, 16);
    private readonly Option<string> redis = new("--redis")
    {
        Description = "What the brokers share: one server (single), a primary and its replica (replicated), or three masters with a replica each (cluster). Faults that need more than this get what they need.",
        DefaultValueFactory = _ => RedisKinds.NameOf(default),
    };

    private readonly Option<TimeSpan> freeze = CommandOptions.Duration("--freeze", "How long a process stays frozen.", TimeSpan.FromSeconds(12));
    private readonly Option<DirectoryInfo?> logs = new("--logs") { Description = "Keep the replicas' logs in this directory." };
    private readonly Option<FileInfo> from = new Option<FileInfo>("--from") { Description = "The other version's broker.dll, for replicas-upgraded; default: the one built with this." }.AcceptExistingOnly();
    private readonly Option<bool> vault = new("--vault") { Description = "Let a double of Vault create the users, for replicas-upgraded." };
    private readonly Option<bool> json = new("--json") { Description = "Print the results as JSON instead of the table." };

    public static Command Create()
    {
        var options = new ChaosCommand();
        options.faults.AcceptOnlyFromAmong([.. Misfortunes.All.Select(misfortune => misfortune.Name)]);
        options.redis.AcceptOnlyFromAmong(RedisKinds.Names);
        var command = new Command("chaos", "Inject faults into real brokers, their Redis, their issuer and their database while pods work, and check the laws. Exit code 1: a law was broken.")
        {
            options.faults, options.list, options.pods, options.replicas, options.redis, options.freeze, options.logs, options.from, options.vault, options.json,
        };
        command.SetAction(options.RunAsync);
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        var names = parsed.GetValue(faults) ?? [];
        var wanted = names.Length == 0 ? Misfortunes.All : [.. Misfortunes.All.Where(misfortune => names.Contains(misfortune.Name))];
        if (parsed.GetValue(list))
        {
            var longest = wanted.Max(misfortune => misfortune.Name.Length);
            foreach (var misfortune in wanted)
                Console.Out.WriteLine($"{misfortune.Name.PadRight(longest)}  {misfortune.What}");
            return 0;
        }

        parsed.GetValue(logs)?.Create();
        var settings = new ChaosSettings
        {
            Pods = parsed.GetValue(pods),
            Replicas = parsed.GetValue(replicas),
            Ledger = RedisKinds.Named(parsed.GetValue(redis)!),
            Freeze = parsed.GetValue(freeze),
            LogDirectory = parsed.GetValue(logs)?.FullName,
        };
        var results = new List<ChaosResult>();
        foreach (var misfortune in wanted.Select(one => one is ReplicasUpgraded ? new ReplicasUpgraded { From = parsed.GetValue(from)?.FullName, Issuer = parsed.GetValue(vault) ? IssuerKind.SimulatedVault : default } : one))
        {
            results.Add(await new ChaosRun(settings, misfortune, Console.Error.WriteLine, TimeProvider.System).RunAsync(cancellation));
            foreach (var (law, what) in results[^1].Broken) Console.Error.WriteLine($"  broken {law}: {what}");
        }

        if (parsed.GetValue(json)) Console.Out.WriteLine(ChaosResult.ToJson(results));
        else ChaosTable.Write(AnsiConsole.Console, results);
        return results.Exists(result => result.Broken.Count > 0) ? 1 : 0;
    }
}
