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
        string Username, string Password, string Host, int Port, string Database, string Uri, string AdoNet, string Jdbc,
        string Go, string Python);
}

/// <summary>A renewal as the API writes it: the credentials are there when <see cref="Rotate"/> is true.</summary>
public sealed record RenewalShape(
    bool Rotate, string Role, string Database, GrantShape.LeaseShape Lease, GrantShape.HolderShape Holder, int Connections,
    GrantShape.CredentialsShape? Credentials);
