using Broker.Core.Leases;

namespace Broker.Core.Operators.Holdings;

/// <summary>A holder, with what was granted to it and what it has open.</summary>
/// <param name="Database">Its database.</param>
/// <param name="Id">Its id.</param>
/// <param name="Role">Its role.</param>
/// <param name="Caller">Its caller: <c>namespace/pod</c>, or its token's subject.</param>
/// <param name="Namespace">Its namespace; null if it is not a pod.</param>
/// <param name="Team">The team it is counted with; null: none.</param>
/// <param name="Node">The node its pod runs on; null: not known.</param>
/// <param name="Lease">Its lease; empty while it only waits for one.</param>
/// <param name="Username">The database user it has; empty while it only waits.</param>
/// <param name="Granted">Connections granted to it.</param>
/// <param name="Moving">Connections of the lease that it moves from, which may also be open for a while.</param>
/// <param name="Since">Since when it has been a holder; null: the ledger lost that.</param>
/// <param name="EndsAt">Its end unless it renews.</param>
/// <param name="Waiting">It has connections reserved and waits for its login.</param>
/// <param name="Open">What it has open now; null: the database does not report it.</param>
public sealed record Holding(
    string Database, string Id, string Role, string Caller, string? Namespace, string? Team, string? Node, string Lease, string Username, int Granted, int Moving,
    DateTimeOffset? Since, DateTimeOffset EndsAt, bool Waiting, OpenCount? Open)
{
    /// <summary>Open beyond what was granted to it: its pool is larger than its grant.</summary>
    public int Over => Math.Max(0, (Open?.Connections ?? 0) - Granted - Moving);
}

/// <summary>What a holder, or somebody else, has open at one moment.</summary>
/// <param name="Connections">Connections open.</param>
/// <param name="Idle">Those that do nothing.</param>
/// <param name="IdleInTransaction">Those that do nothing and have a transaction open.</param>
/// <param name="LongestQuery">How long the oldest running statement has been running; null: none runs.</param>
/// <param name="LongestIdleInTransaction">The longest time that one of those idle in a transaction has done nothing; null: there are none.</param>
public sealed record OpenCount(int Connections, int Idle, int IdleInTransaction, TimeSpan? LongestQuery, TimeSpan? LongestIdleInTransaction);

/// <summary>Connections that belong to no holder, as far as their names say, grouped by what they have in common.</summary>
/// <param name="Username">The database user; null when it no longer exists, or the server does not say.</param>
/// <param name="Program">What the client calls itself; empty: nothing, or not shown.</param>
/// <param name="Address">Where it connects from; empty: a local socket, or not shown.</param>
/// <param name="Role">The role whose lease the user is: some client has the login and carries no holder's name; null: a user of others'.</param>
/// <param name="Open">What is open.</param>
public sealed record OtherConnections(string? Username, string Program, string Address, string? Role, OpenCount Open);

/// <summary>The connections of a database.</summary>
/// <param name="Database">The database.</param>
/// <param name="Now">The ledger's time.</param>
/// <param name="Holders">Its holders.</param>
/// <param name="Others">All others with open connections, most first.</param>
/// <param name="WhyUnseen">Why the open connections are not known; null: they are.</param>
public sealed record DatabaseHoldings(
    string Database, DateTimeOffset Now, IReadOnlyList<Holding> Holders, IReadOnlyList<OtherConnections> Others, string? WhyUnseen);
