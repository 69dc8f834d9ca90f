namespace Broker.Core.Model;

/// <summary>A database user's name and password.</summary>
/// <param name="Username">The user's name in the database.</param>
/// <param name="Password">Its password.</param>
public sealed record Login(string Username, Secret Password);
