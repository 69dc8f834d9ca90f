namespace Broker.Core.Databases.MySql;

/// <summary>
/// The unit that MySQL lets log in: a user name together with the hosts it may come from. One name can have several accounts, each with
/// a password of its own; the broker's users have the host in their role's statements, mostly <c>%</c>.
/// </summary>
internal sealed record Account(string Username, string Host);
