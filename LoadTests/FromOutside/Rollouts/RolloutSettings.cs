using LoadTests.Servers.Engines;
using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Rollouts;

/// <summary>What the pods ask for their login.</summary>
internal enum Via
{
    /// <summary>The broker, over HTTP.</summary>
    Broker,

    /// <summary>The issuer itself: each pod gets a database user of its own and opens what it likes.</summary>
    Issuer,
}

/// <summary>One rollout.</summary>
internal sealed record RolloutSettings
{
    /// <summary>How many pods (1 or more).</summary>
    public int Pods { get; init; } = 100;

    /// <summary>How many connections each wants (1 or more).</summary>
    public int Connections { get; init; } = 5;

    /// <summary>How few each can live with (1 to <see cref="Connections"/>).</summary>
    public int MinConnections { get; init; } = 1;

    /// <summary>What the pods ask.</summary>
    public Via Via { get; init; }

    /// <summary>How long a pod works after every pod has had its first answer (zero or more).</summary>
    public TimeSpan Hold { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>What ends the pods' work instead of <see cref="Hold"/>; null: nothing does.</summary>
    public Task? Until { get; init; }

    /// <summary>
    /// Rolling update: how many old pods may be missing before their replacements work (Kubernetes' maxUnavailable). Null with
    /// <see cref="Surge"/>: no rolling update, all pods start at once.
    /// </summary>
    public int? Batch { get; init; }

    /// <summary>Rolling update: how many pods more than wanted may be there (Kubernetes' maxSurge).</summary>
    public int? Surge { get; init; }

    /// <summary>Seconds the broker may let a pod wait (<c>Prefer: wait</c>); null: it is not asked to.</summary>
    public int? WaitSeconds { get; init; }

    /// <summary>How long a refused pod goes on trying, from its start.</summary>
    public TimeSpan Deadline { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Whether a refused pod comes back when it was told to.</summary>
    public bool Retry { get; init; } = true;

    /// <summary>The role the pods ask for.</summary>
    public string Role { get; init; } = StageSettings.RoleName;

    /// <summary>The engine of the database the pods open.</summary>
    public Engine Engine { get; init; } = Engine.Usual;

    public bool IsRollingUpdate => Batch is not null || Surge is not null;
}
