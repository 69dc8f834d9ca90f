using System.Text.Json.Nodes;
using LoadTests.FromOutside.Rollouts;
using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Chaos;

/// <summary>What goes on while a misfortune happens.</summary>
internal sealed record ChaosSettings
{
    /// <summary>Pods that are there at once (1 or more); each has the next one follow it.</summary>
    public int Pods { get; init; } = 16;

    /// <summary>Broker processes (2 or more: one is left when one is gone).</summary>
    public int Replicas { get; init; } = 3;

    /// <summary>What Redis the replicas share; a fault that needs more has more.</summary>
    public LedgerKind Ledger { get; init; } = LedgerKind.Redis;

    /// <summary>How long a frozen process stands still.</summary>
    public TimeSpan Freeze { get; init; } = TimeSpan.FromSeconds(12);

    /// <summary>How long all is well before the fault.</summary>
    public TimeSpan Calm { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How much longer a call may take than its caller waits: its last round trips with a ledger that answers none of them.</summary>
    public TimeSpan LongestOver { get; init; } = FromInside.Simulation.Laws.LongestOver;

    /// <summary>How soon after a misfortune a new claim has to be granted (L10).</summary>
    public TimeSpan HealsWithin { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How soon after the load the database's users have to be those that the ledger knows (L5): what nobody remembers is found by
    /// the search for leftovers, every two minutes.
    /// </summary>
    public TimeSpan KnownWithin { get; init; } = TimeSpan.FromSeconds(160);

    /// <summary>What a pod asks for. The database has too few connections for all of them, so that nothing is free for long.</summary>
    public RolloutSettings Asks { get; init; } = new() { Connections = 4, MinConnections = 1, WaitSeconds = 2 };

    /// <summary>How long a broker lets a caller wait that names no time.</summary>
    public TimeSpan StandardWait { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long an issuer may take.</summary>
    public TimeSpan IssueDeadline { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How old a count of the database's connections may be.</summary>
    public TimeSpan StaleAfter { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>What callers may be told besides what the misfortune explains, because the machine is slow.</summary>
    public IReadOnlyCollection<string> AlsoTold { get; init; } = [];

    /// <summary>Where the replicas' logs go and stay; null: nowhere.</summary>
    public string? LogDirectory { get; init; }

    /// <summary>The stage without what a misfortune wants of it.</summary>
    public StageSettings Stage => new()
    {
        Replicas = Replicas,
        Ledger = Ledger,
        MaxConnections = Asks.Connections * Pods * 10 / 8,
        Connections = Asks.Connections,
        CreationStatements = [.. StageSettings.StandardStatements, .. Weather.CreationStatements],
        LogDirectory = LogDirectory,
        Configure = (_, configuration) => Configure(configuration),
    };

    private void Configure(JsonObject configuration)
    {
        var broker = configuration["Broker"]!;
        broker["Waiting"] = new JsonObject { ["Default"] = StandardWait.ToString("c"), [nameof(IssueDeadline)] = IssueDeadline.ToString("c") };
        broker["Databases"]![StageSettings.DatabaseName]!["Budget"]![nameof(StaleAfter)] = StaleAfter.ToString("c");
        var role = broker["Roles"]![StageSettings.RoleName]!;
        role["HolderTtl"] = "00:00:30";
        role["VerifyEvery"] = "00:05:00";
        role["IdleTtl"] = "00:00:05";
    }
}
