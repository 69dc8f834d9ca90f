namespace Broker.Api.Credentials;

/// <summary>A grant as the API writes it, for its description; the writer is <see cref="GrantWriter"/>.</summary>
public sealed record GrantShape(
    string Role, string Database, GrantShape.LeaseShape Lease, GrantShape.HolderShape Holder, int Connections, GrantShape.CredentialsShape Credentials)
{
    /// <summary>The lease.</summary>
    public sealed record LeaseShape(string Id, DateTimeOffset IssuedAt, DateTimeOffset VerifiedAt, DateTimeOffset ExpiresAt);

    /// <summary>The caller's claim on it.</summary>
    public sealed record HolderShape(string Id, DateTimeOffset ExpiresAt, int RenewAfterSeconds);

    /// <summary>What to connect with.</summary>
    public sealed record CredentialsShape(
        string Username, string Password, string Host, int Port, string Database, string Uri, string AdoNet, string Jdbc);
}

/// <summary>
/// A renewal as the API writes it. When <see cref="Rotate"/> is true, the credentials are there, and the connections on the old
/// ones may stay open for <see cref="OverlapSeconds"/>; 0: they are closed before new ones are opened.
/// </summary>
public sealed record RenewalShape(
    bool Rotate, int? OverlapSeconds, string Role, string Database, GrantShape.LeaseShape Lease, GrantShape.HolderShape Holder, int Connections,
    GrantShape.CredentialsShape? Credentials);
