namespace Broker.Core.Catalog;

/// <summary>
/// A static role: two existing users share one role and take turns. A rotation gives a new password to the user that is no longer
/// handed out, and hands that one out; the other keeps its password until its next turn, a whole turn later, so that whoever has not
/// yet read again can still log in.
/// </summary>
/// <param name="Usernames">The two users, with the same rights; the broker changes their passwords and nothing else.</param>
/// <param name="Rotation">When they take turns.</param>
public sealed record StaticUsers(IReadOnlyList<string> Usernames, Rotation Rotation);
