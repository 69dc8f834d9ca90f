using Broker.Core.Model;

namespace Broker.Core.Catalog;

/// <summary>Which program pools a database's connections.</summary>
public enum PoolerKind
{
    /// <summary>PgBouncer, in front of PostgreSQL.</summary>
    PgBouncer,
}

/// <summary>
/// A pooler that all pods of a database connect to (docs/poolers.md). The broker then promises client connections to the
/// pooler; the server's connections behind it are the pool, which the broker reserves on the server and enforces in the pooler.
/// </summary>
public sealed record PoolerSettings
{
    /// <summary>Which program it is.</summary>
    public required PoolerKind Kind { get; init; }

    /// <summary>Host that pods connect to.</summary>
    public required string Host { get; init; }

    /// <summary>Port that pods connect to, 1-65535 (default 6432).</summary>
    public int Port { get; init; } = 6432;

    /// <summary>The pooler's name for the database (<c>Name</c> in the configuration); null: the server's name.</summary>
    public string? DatabaseName { get; init; }

    /// <summary>Connections to the server that the pooler may have (4 to 10,000), all its processes together; fewer while the server lacks room.</summary>
    public required int PoolSize { get; init; }

    /// <summary>
    /// How the broker connects to the pooler's console, as one of its <c>admin_users</c>: an Npgsql connection string. Several hosts are
    /// the processes behind <see cref="Host"/>, among which the pool is divided. Without hosts, <see cref="Host"/> and <see cref="Port"/> are used.
    /// </summary>
    public required Secret ConsoleConnectionString { get; init; }

    /// <summary>The database user by which the pooler looks users up (<c>auth_user</c>): its connections are part of the pool.</summary>
    public string? AuthUser { get; init; }

    /// <summary>
    /// The path of the file that the pooler reads its users from (<c>auth_file</c>), which every replica maintains: it lists the users of living leases
    /// with the verifiers of their passwords. Null: the pooler looks users up on the server itself.
    /// </summary>
    public string? UserList { get; init; }
}
