namespace Broker.Core.Databases;

/// <summary>Open sessions that are alike: of one user, by one program, from one address.</summary>
/// <param name="Username">The user; null when it no longer exists, or the server does not say.</param>
/// <param name="Program">What the client calls itself; empty if the server does not show it.</param>
/// <param name="Address">Where it connects from, without its port; empty: a local socket, or not shown.</param>
/// <param name="Open">How many there are.</param>
/// <param name="Idle">Those that do nothing and have no transaction open.</param>
/// <param name="IdleInTransaction">Those that do nothing and have a transaction open.</param>
/// <param name="LongestQuery">How long the oldest of their present statements has been running; null: none runs.</param>
/// <param name="LongestIdleInTransaction">How long the longest of <paramref name="IdleInTransaction"/> has done nothing; null: there are none.</param>
public sealed record OpenSessions(
    string? Username, string Program, string Address, int Open, int Idle, int IdleInTransaction, TimeSpan? LongestQuery, TimeSpan? LongestIdleInTransaction);
