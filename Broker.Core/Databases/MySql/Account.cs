namespace Broker.Core.Databases.MySql;

/// <summary>
/// What MySQL lets log in: a user name together with the hosts it may come from. One name can have several accounts, each with
/// a password of its own; the broker's users have the host their role's statements give them, mostly <c>%</c>.
/// </summary>
internal sealed record Account(string Username, string Host);
