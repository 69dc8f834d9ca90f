namespace Broker.Core.Catalog;

/// <summary>
/// A static role: two users that are there already share one name, and take turns. A rotation gives the one that nobody is handed any
/// more another password and hands that out; the other keeps its own until its next turn, a whole turn later, so that whoever has not
/// read again yet can still log in.
/// </summary>
/// <param name="Usernames">The two users, with the same rights; the broker changes their passwords and nothing else.</param>
/// <param name="Rotation">When they take turns.</param>
public sealed record StaticUsers(IReadOnlyList<string> Usernames, Rotation Rotation);
