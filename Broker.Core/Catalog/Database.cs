using Broker.Core.Model;

namespace Broker.Core.Catalog;

/// <summary>One server with a connection limit, as configured. Immutable.</summary>
public sealed record Database
{
    /// <summary>Its key under <c>Broker:Databases</c>: 1-63 of <c>a-z 0-9 - _</c>.</summary>
    public required string Name { get; init; }

    /// <summary>Which server program it runs on.</summary>
    public required DatabaseEngineKind Engine { get; init; }

    /// <summary>Host that pods connect to; several, as in <c>pg1,pg2:5433</c>, or the path of a Unix socket (of its folder: PostgreSQL).</summary>
    public required string Host { get; init; }

    /// <summary>Port that pods connect to, 1-65535; default: the engine's.</summary>
    public required int Port { get; init; }

    /// <summary>Name of the database on the server that pods open (<c>Name</c> in the configuration).</summary>
    public required string DatabaseName { get; init; }

    /// <summary>
    /// The broker's own administrator connection: it counts connections, tries logins, and (built-in issuer) creates users.
    /// An ADO.NET connection string for PostgreSQL and MySQL, a URI (<c>mongodb://</c> or <c>mongodb+srv://</c>) for MongoDB.
    /// </summary>
    public required Secret AdminConnectionString { get; init; }

    /// <summary>
    /// Where pods connect to a replica (a reader endpoint): the administrator's connection to it, because its connections are
    /// counted there. Null: pods connect to the server that <see cref="AdminConnectionString"/> reaches.
    /// </summary>
    public Secret? ReplicaConnectionString { get; init; }

    /// <summary>
    /// The DBA's name for the server that it is on (1-63 of <c>a-z 0-9 - _</c>): databases with the same name share its connections.
    /// Null: the server is recognised by how it identifies itself.
    /// </summary>
    public string? Server { get; init; }

    /// <summary>How long a new user may take to reach the replica that pods connect to (0 to 60 s, default 0): a refused login is tried again for this long.</summary>
    public TimeSpan ReplicaLag { get; init; }

    /// <summary>MongoDB: the database of the server that users are made in and log in to (default <c>admin</c>).</summary>
    public string AuthSource { get; init; } = "admin";

    /// <summary>How pods connect where it differs from the broker's own connection.</summary>
    public PodSettings Pods { get; init; } = new();

    /// <summary>The pooler that its pods connect to; null when they connect to the server itself.</summary>
    public PoolerSettings? Pooler { get; init; }

    /// <summary>How many connections may be promised: to a server's clients, or to its pooler's.</summary>
    public required BudgetSettings Budget { get; init; }

    /// <summary>How fast users may be created.</summary>
    public required PaceSettings Issuing { get; init; }

    /// <summary>The database as the pods of a role see it.</summary>
    public Database SeenBy(Role role) => (role.Pods, Pooler) is (null, null) ? this : SeenBy(role.Pods ?? new(), Pooler);

    private Database SeenBy(PodSettings pods, PoolerSettings? pooler) => this with
    {
        Host = pods.Host ?? pooler?.Host ?? Host,
        Port = pods.Port ?? pooler?.Port ?? Port,
        DatabaseName = pods.DatabaseName ?? pooler?.DatabaseName ?? DatabaseName,
        Pods = new()
        {
            SslMode = pods.SslMode ?? Pods.SslMode,
            CaFile = pods.CaFile ?? Pods.CaFile,
            CertificateFile = pods.CertificateFile ?? Pods.CertificateFile,
            KeyFile = pods.KeyFile ?? Pods.KeyFile,
        },
    };
}

/// <summary>How many of a database's connections the broker may promise.</summary>
public sealed record BudgetSettings
{
    /// <summary>Percent (1-100, default 70) of the connections ordinary users can get.</summary>
    public int CeilingPercent { get; init; } = 70;

    /// <summary>
    /// Percent (1-100) of the connections ordinary users can get that may be promised on all databases of the server together. Null: the
    /// highest <see cref="CeilingPercent"/> of them. If several set it, the lowest applies.
    /// </summary>
    public int? ServerCeilingPercent { get; init; }

    /// <summary>
    /// How many connections the server allows (1 or more), where it does not say so itself (FerretDB, some proxies) or allows fewer than it
    /// says; null: what it says. If both are known, the smaller one applies.
    /// </summary>
    public int? Limit { get; init; }

    /// <summary>The DBA's ceiling in connections (0 or more); null: none.</summary>
    public int? Ceiling { get; init; }

    /// <summary>
    /// Whether the database itself caps the connections of each lease's user at what its holders were granted (default: no). The
    /// administrator must be allowed to change the users, including those of a <c>Vault</c> issuer. MongoDB has no caps: there, holders with
    /// more connections open than granted are shown and logged.
    /// </summary>
    public bool Enforce { get; init; }

    /// <summary>How often the real connections are counted (200 ms to 5 min, default 2 s).</summary>
    public TimeSpan SampleEvery { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>A count older than this is stale: nothing new is promised on it (default 15 s, more than <see cref="SampleEvery"/>).</summary>
    public TimeSpan StaleAfter { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>
    /// When nobody has held or waited for a connection for this long, the database is no longer queried until somebody claims, so that a
    /// serverless database can go to sleep (0 to 365 days, default 10 s). The next claim then waits for a count.
    /// </summary>
    public TimeSpan PauseAfter { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>How fast database users are created on one database, over all replicas.</summary>
public sealed record PaceSettings
{
    /// <summary>Users a second, sustained (0.01 to 1000, default 5).</summary>
    public double UsersPerSecond { get; init; } = 5;

    /// <summary>Users at once after a pause (1 to 1000, default 5).</summary>
    public int Burst { get; init; } = 5;

    /// <summary>Concurrent issues, renewals and revocations (1 to 100, default 2): they collide inside the database.</summary>
    public int InFlight { get; init; } = 2;
}
