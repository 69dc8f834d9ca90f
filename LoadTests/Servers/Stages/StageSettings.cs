using System.Text.Json.Nodes;
using LoadTests.Servers.Engines;
using LoadTests.Servers.LocalServers;

namespace LoadTests.Servers.Stages;

/// <summary>Where replicas share their memory.</summary>
internal enum LedgerKind
{
    Redis,
    InProcess,

    /// <summary>A file of the one replica.</summary>
    File,

    /// <summary>A Redis and a copy of it that can take its place.</summary>
    RedisWithReplica,

    /// <summary>A Redis Cluster of three masters, each with a copy.</summary>
    RedisCluster,

    /// <summary>A Redis Cluster of three masters without copies.</summary>
    RedisMasters,
}

/// <summary>What creates the users.</summary>
internal enum IssuerKind
{
    BuiltIn,
    Vault,

    /// <summary>A double of Vault that can be told to fail, with real users in the database.</summary>
    SimulatedVault,
}

/// <summary>The servers of a rollout: a database, and the broker in front of it.</summary>
internal sealed record StageSettings
{
    /// <summary>The role the pods ask for, and the service account that may have it.</summary>
    public const string RoleName = "orders-api";

    /// <summary>The database's name in the broker's configuration.</summary>
    public const string DatabaseName = "orders";

    /// <summary>The issuer of the pods' tokens in the broker's configuration, and so the auth mount of its Vault-compatible API: what clients of Vault take by default.</summary>
    public const string ClusterName = "kubernetes";

    /// <summary>How users are made in PostgreSQL, unless a stage says otherwise.</summary>
    public static IReadOnlyList<string> StandardStatements => Engine.Usual.CreationStatements;

    /// <summary>The database's engine.</summary>
    public Engine Engine { get; init; } = Engine.Usual;

    /// <summary>How this stage's users are made, in Vault's template language; default: as the engine's users usually are.</summary>
    public IReadOnlyList<string> CreationStatements { get => field ?? Engine.CreationStatements; init; }

    /// <summary>A last hand on a replica's configuration before it starts: its number, from 1, and the configuration. Null: as it is.</summary>
    public Action<int, JsonObject>? Configure { get; init; }

    /// <summary>What a replica is started by (<see cref="LocalBrokerSettings.StartedBy"/>).</summary>
    public IReadOnlyList<string> StartedBy { get; init; } = [];

    /// <summary>Further environment variables of a replica, by its number, from 1; null: none.</summary>
    public Func<int, IReadOnlyDictionary<string, string>>? EnvironmentOf { get; init; }

    /// <summary>The server's max_connections.</summary>
    public int MaxConnections { get; init; } = 200;

    /// <summary>Further settings of PostgreSQL's.</summary>
    public IReadOnlyDictionary<string, string> PostgresSettings { get; init; } = new Dictionary<string, string>();

    /// <summary>What a PgBouncer between pods and PostgreSQL may have of it; null: there is none.</summary>
    public int? PoolSize { get; init; }

    /// <summary>Whether that PgBouncer knows users by a file alone, which the brokers keep; else it looks them up.</summary>
    public bool UserList { get; init; }

    /// <summary>How long PostgreSQL's start may take.</summary>
    public TimeSpan PostgresWithin { get; init; } = ChildProcess.StartsWithin;

    /// <summary>Holders that may share one lease.</summary>
    public int MaxHoldersPerLease { get; init; } = 10_000;

    /// <summary>Broker processes; 0: a database only.</summary>
    public int Replicas { get; init; } = 3;

    /// <summary>The <c>broker.dll</c> that the replicas run; null: the one that was built with us.</summary>
    public string? Program { get; init; }

    public LedgerKind Ledger { get; init; }

    public IssuerKind Issuer { get; init; }

    /// <summary><c>Role</c>, <c>Workload</c> or <c>Holder</c>.</summary>
    public string Sharing { get; init; } = "Role";

    /// <summary>Users a second that may be created.</summary>
    public double UsersPerSecond { get; init; } = 5;

    /// <summary>Users that may be created at once.</summary>
    public int Burst => Math.Max(1, (int)UsersPerSecond);

    /// <summary>Users that may be on their way into the database at once.</summary>
    public int InFlight { get; init; } = 2;

    /// <summary>Percent of the connections that the broker may promise.</summary>
    public int CeilingPercent { get; init; } = 70;

    /// <summary>The <c>max_connections</c> with which the broker may promise exactly this many.</summary>
    public int MaxConnectionsFor(int promised) => ((promised * 100) + CeilingPercent - 1) / CeilingPercent + LocalPostgresSettings.StandardSuperuserReservedConnections;

    /// <summary>Connections that a pod gets when it names no number.</summary>
    public int Connections { get; init; } = 5;

    /// <summary>How many pods the role expects; 0: not known.</summary>
    public int ExpectedHolders { get; init; }

    /// <summary>Where the replicas' logs go and stay; null: they go with the stage.</summary>
    public string? LogDirectory { get; init; }

    /// <summary>Extra pods during a rolling update, in percent.</summary>
    public int SurgePercent { get; init; } = 25;
}
