using System.CommandLine;
using LoadTests.Servers.Engines;
using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;
using Spectre.Console;

namespace LoadTests.FromOutside.Rollouts;

/// <summary><c>loadtests rollout</c>.</summary>
internal sealed class RolloutCommand
{
    private readonly Option<int> pods = CommandOptions.Number("--pods", "How many pods", 100, 1, 100_000);
    private readonly Option<int> connections = CommandOptions.Number("--connections", "How many connections each pod wants", 5, 1, 10_000);
    private readonly Option<int> min = CommandOptions.Number("--min", "The fewest connections that a pod accepts", 1, 1, 10_000);
    private readonly Option<int> replicas = CommandOptions.Number("--replicas", "Broker processes", 3, 1, 64);
    private readonly Option<string> via = CommandOptions.Choice("--via", "What the pods ask: the broker, or the issuer itself (each pod its own user, as without the broker).", "broker", "issuer");
    private readonly Option<string> engine = CommandOptions.Choice("--engine", "The database's engine.", [.. Engine.All.Keys]);
    private readonly Option<int> maxConnections = CommandOptions.Number("--max-connections", "The server's max_connections", 200, 10, 10_000);
    private readonly Option<TimeSpan> hold = CommandOptions.Duration("--hold", "How long the pods keep working after each has had its first answer, e.g. 500ms, 5s, 2m.", TimeSpan.FromSeconds(3));
    private readonly Option<int?> batch = new("--batch") { Description = "Rolling update: old pods that may be missing before their replacements work (Kubernetes' maxUnavailable)." };
    private readonly Option<int?> surge = new("--surge") { Description = "Rolling update: extra pods that may exist (Kubernetes' maxSurge)." };
    private readonly Option<int?> wait = new("--wait") { Description = "Seconds the broker may let a pod wait (Prefer: wait=N)." };
    private readonly Option<TimeSpan> deadline = CommandOptions.Duration("--deadline", "How long a refused pod keeps trying.", TimeSpan.FromSeconds(60));
    private readonly Option<bool> noRetry = new("--no-retry") { Description = "A refused pod does not try again." };
    private readonly Option<string> ledger = CommandOptions.Choice("--ledger", "Where the replicas keep their shared state.", "redis", "in-process", "file");
    private readonly Option<string> issuer = CommandOptions.Choice("--issuer", $"What creates the users; for vault, {LocalVault.HowToGetOne}.", "builtin", "vault");
    private readonly Option<string> sharing = CommandOptions.Choice("--sharing", "Who shares one database user.", "Role", "Workload", "Holder");
    private readonly Option<double> usersPerSecond = new("--users-per-second") { Description = "Users a second that the broker may create.", DefaultValueFactory = _ => 5 };
    private readonly Option<int> ceilingPercent = CommandOptions.Number("--ceiling-percent", "Percent of the connections that the broker may promise", 70, 1, 100);
    private readonly Option<int?> expectedHolders = new("--expected-holders") { Description = "How many pods the role expects, 0 for unknown. Default: the number of pods." };
    private readonly Option<Uri[]> broker = new("--broker") { Description = "A running broker (repeat for each replica) instead of private ones.", AllowMultipleArgumentsPerToken = true };
    private readonly Option<string> role = new("--role") { Description = "The role to ask for, with --broker.", DefaultValueFactory = _ => StageSettings.RoleName };
    private readonly Option<FileInfo?> jwksFile = new("--jwks-file") { Description = "With --broker: write the keys of the pods' tokens here; the broker must be configured with this JwksFile." };
    private readonly Option<string> identityIssuer = new("--identity-issuer") { Description = "With --broker: the iss of the pods' tokens.", DefaultValueFactory = _ => "https://loadtests.invalid" };
    private readonly Option<string?> database = new("--database") { Description = "With --broker: an administrator's connection string, to count users and connections in the database itself." };
    private readonly Option<DirectoryInfo?> logs = new("--logs") { Description = "Keep the replicas' logs in this directory." };
    private readonly Option<bool> json = new("--json") { Description = "Print the result as JSON." };
    private readonly Option<bool> stay = new("--stay") { Description = "Keep the servers running afterwards, until Ctrl-C." };

    public static Command Create()
    {
        var options = new RolloutCommand();
        var command = new Command("rollout", "Run a rollout: every pod gets a login, really opens its connections, works, and leaves. Exit code 0 only if everything was as expected.")
        {
            options.pods, options.connections, options.min, options.replicas, options.via, options.engine, options.maxConnections, options.hold,
            options.batch, options.surge, options.wait, options.deadline, options.noRetry, options.ledger, options.issuer,
            options.sharing, options.usersPerSecond, options.ceilingPercent, options.expectedHolders, options.broker, options.role,
            options.jwksFile, options.identityIssuer, options.database, options.logs, options.json, options.stay,
        };
        command.SetAction(options.RunAsync);
        return command;
    }

    /// <summary>What is wrong between options; read from the whole parse, because defaults are not known to validators.</summary>
    private IEnumerable<string> Contradictions(ParseResult parsed)
    {
        if (parsed.GetValue(min) > parsed.GetValue(connections))
            yield return "--min is more than --connections.";
        foreach (var option in new[] { batch, surge, wait, expectedHolders }.Where(option => parsed.GetValue(option) < 0))
            yield return $"{option.Name} is less than 0.";
        if ((parsed.GetValue(batch) is not null || parsed.GetValue(surge) is not null) && (parsed.GetValue(batch) ?? 0) + (parsed.GetValue(surge) ?? 0) == 0)
            yield return "--batch and --surge are both 0: no pod could ever be replaced.";
        if (parsed.GetValue(ledger) != "redis" && parsed.GetValue(replicas) != 1)
            yield return $"--ledger {parsed.GetValue(ledger)} is for one replica: add --replicas 1.";
        if (parsed.GetValue(usersPerSecond) is not (>= 0.01 and <= 1000))
            yield return "--users-per-second can be 0.01 to 1000.";
        if (parsed.GetValue(broker) is not { Length: > 0 })
            yield break;
        if (parsed.GetValue(via) == "issuer")
            yield return "--broker and --via issuer exclude each other.";
        if (parsed.GetValue(jwksFile) is null)
            yield return "--broker needs --jwks-file: the file from which that broker reads the keys of the pods' tokens.";
        if (parsed.GetValue(broker)!.Any(address => !address.IsAbsoluteUri))
            yield return "--broker needs a complete address such as http://127.0.0.1:8080.";
    }

    private RolloutSettings Settings(ParseResult parsed) => new()
    {
        Pods = parsed.GetValue(pods),
        Connections = parsed.GetValue(connections),
        MinConnections = parsed.GetValue(min),
        Via = parsed.GetValue(via) == "issuer" ? Via.Issuer : Via.Broker,
        Hold = parsed.GetValue(hold),
        Batch = parsed.GetValue(batch),
        Surge = parsed.GetValue(surge),
        WaitSeconds = parsed.GetValue(wait),
        Deadline = parsed.GetValue(deadline),
        Retry = !parsed.GetValue(noRetry),
        Role = parsed.GetValue(role)!,
        Engine = Engine.All[parsed.GetValue(engine)!],
    };

    private StageSettings StageFor(ParseResult parsed, RolloutSettings rollout) => new()
    {
        Engine = rollout.Engine,
        MaxConnections = parsed.GetValue(maxConnections),
        LogDirectory = parsed.GetValue(logs)?.FullName,
        Replicas = rollout.Via == Via.Broker ? parsed.GetValue(replicas) : 0,
        Ledger = parsed.GetValue(ledger) switch { "in-process" => LedgerKind.InProcess, "file" => LedgerKind.File, _ => LedgerKind.Redis },
        Issuer = parsed.GetValue(issuer) == "vault" ? IssuerKind.Vault : IssuerKind.BuiltIn,
        Sharing = parsed.GetValue(sharing)!,
        UsersPerSecond = parsed.GetValue(usersPerSecond),
        CeilingPercent = parsed.GetValue(ceilingPercent),
        Connections = rollout.Connections,
        ExpectedHolders = parsed.GetValue(expectedHolders) ?? rollout.Pods,
        SurgePercent = rollout.Surge is { } surging ? Math.Clamp((int)Math.Ceiling(100.0 * surging / rollout.Pods), 0, 100) : 25,
    };

    private async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        var contradictions = Contradictions(parsed).ToList();
        foreach (var contradiction in contradictions)
            Console.Error.WriteLine(contradiction);
        if (contradictions.Count > 0)
            return 2;

        var settings = Settings(parsed);
        var progress = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        if (parsed.GetValue(broker) is { Length: > 0 } brokers)
        {
            await using var identity = await LocalIdentity.StartAsync(issuer: parsed.GetValue(identityIssuer), cancellation: cancellation);
            await identity.WriteJwksFileAsync(parsed.GetValue(jwksFile)!.FullName, cancellation);
            return Report(parsed, await RolloutRun.AgainstAsync(
                settings, brokers, identity, parsed.GetValue(database), progress, TimeProvider.System, cancellation));
        }

        var stageSettings = StageFor(parsed, settings);
        parsed.GetValue(logs)?.Create();
        await using var stage = await Stage.SetAsync(stageSettings, cancellation);
        var code = Report(parsed, await RolloutRun.OnStageAsync(settings, stageSettings, stage, progress, TimeProvider.System, cancellation));
        if (parsed.GetValue(stay))
            await StayOpen.UntilCancelledAsync(stage, progress, cancellation);
        return code;
    }

    private int Report(ParseResult parsed, RolloutResult result)
    {
        if (parsed.GetValue(json))
            Console.Out.WriteLine(result.ToJson());
        else
            ResultTable.Write(AnsiConsole.Console, $"{result.Pods} pods, each wants {parsed.GetValue(connections)} connections", (result.Via == Via.Broker ? "with the broker" : "without the broker", result));
        foreach (var fault in result.Faults)
            Console.Error.WriteLine($"Not as expected: {fault}");
        return result.Faults.Count == 0 ? 0 : 1;
    }
}
