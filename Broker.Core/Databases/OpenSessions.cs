namespace Broker.Core.Databases;

/// <summary>Sessions that are open now and alike: of one user, by one program, from one address.</summary>
/// <param name="Username">The user; null when it exists no more, or the server does not say.</param>
/// <param name="Program">What the client calls itself; empty where the server does not show it.</param>
/// <param name="Address">Where it connects from, without its port; empty: a socket of the machine, or not shown.</param>
/// <param name="Open">How many there are.</param>
/// <param name="Idle">Those of them that do nothing and have no transaction open.</param>
/// <param name="IdleInTransaction">Those of them that do nothing and have a transaction open.</param>
/// <param name="LongestQuery">For how long the oldest of their statements that run now has been running; null: none runs.</param>
/// <param name="LongestIdleInTransaction">For how long the longest of <paramref name="IdleInTransaction"/> has done nothing; null: there are none.</param>
public sealed record OpenSessions(
    string? Username, string Program, string Address, int Open, int Idle, int IdleInTransaction, TimeSpan? LongestQuery, TimeSpan? LongestIdleInTransaction);
