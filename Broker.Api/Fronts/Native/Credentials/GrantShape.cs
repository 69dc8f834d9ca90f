namespace Broker.Api.Fronts.Native.Credentials;

// These describe what GrantWriter writes; a test holds the two together.

/// <summary>The answer to a claim.</summary>
/// <param name="Role">The role.</param>
/// <param name="Database">Its database in the broker's configuration.</param>
/// <param name="Lease">The database user, shared with others.</param>
/// <param name="Holder">The caller as a holder of it.</param>
/// <param name="Connections">How many connections the caller may open at most.</param>
/// <param name="Credentials">What to connect with.</param>
/// <param name="FewerBecause">Present only when there are fewer connections than were asked for: the reason, in a sentence for people.</param>
public sealed record GrantShape(
    string Role, string Database, GrantShape.LeaseShape Lease, GrantShape.HolderShape Holder, int Connections, GrantShape.CredentialsShape Credentials,
    string? FewerBecause = null)
{
    /// <summary>A database user, issued once, with an end.</summary>
    /// <param name="Id">The broker's id of it.</param>
    /// <param name="IssuedAt">When it was issued.</param>
    /// <param name="VerifiedAt">When its login was tried on the database.</param>
    /// <param name="ExpiresAt">Its end, unless the broker renews it; renewals move the holder to another lease before then.</param>
    public sealed record LeaseShape(string Id, DateTimeOffset IssuedAt, DateTimeOffset VerifiedAt, DateTimeOffset ExpiresAt);

    /// <summary>The caller as a holder of the lease.</summary>
    /// <param name="Id">For renew and release.</param>
    /// <param name="ExpiresAt">Its end, unless it is renewed.</param>
    /// <param name="RenewAfterSeconds">When to renew: after two thirds of its time.</param>
    public sealed record HolderShape(string Id, DateTimeOffset ExpiresAt, int RenewAfterSeconds);

    /// <summary>What to connect with, in parts and in the usual formats. A format that cannot express what is needed is left out, and `notes` says why.</summary>
    /// <param name="Username">The database user.</param>
    /// <param name="Password">Its password. Keep it in memory only.</param>
    /// <param name="Host">The server, the first when there are several; a path is a Unix socket.</param>
    /// <param name="Port">Its port.</param>
    /// <param name="Servers">All servers, one or more, as host:port, or a socket's path.</param>
    /// <param name="Database">The database on it.</param>
    /// <param name="Drivers">The connection string by driver; each names the holder to the database.</param>
    /// <param name="Notes">By driver: what its string cannot express, and what to do about it in code. Drivers whose string expresses everything are absent.</param>
    /// <param name="Uri">For libpq and most drivers; with MySQL for Node's mysql2.</param>
    /// <param name="AdoNet">For ADO.NET; its pool is as large as the grant.</param>
    /// <param name="Jdbc">For JDBC.</param>
    /// <param name="Go">For Go's usual driver.</param>
    /// <param name="Python">For SQLAlchemy, or PyMongo.</param>
    public sealed record CredentialsShape(
        string Username, string Password, string Host, int Port, IReadOnlyList<string> Servers, string Database, IReadOnlyDictionary<string, string> Drivers,
        IReadOnlyDictionary<string, string> Notes, string? Uri = null, string? AdoNet = null, string? Jdbc = null, string? Go = null, string? Python = null);
}

/// <summary>The answer to a renewal.</summary>
/// <param name="Rotate">Whether there is a new lease: move to the credentials in this answer, and close the old connections in time.</param>
/// <param name="Role">The role.</param>
/// <param name="Database">Its database in the broker's configuration.</param>
/// <param name="Lease">The database user.</param>
/// <param name="Holder">The caller as a holder of it.</param>
/// <param name="Connections">How many connections the caller may open at most; the number may have changed.</param>
/// <param name="OverlapSeconds">With rotate: how long the connections on the old credentials may stay open; 0: close them before new ones are opened.</param>
/// <param name="Allotment">For a holder that follows sizes: the number to send with the next renewal, once no more connections are open than this answer grants.</param>
/// <param name="Credentials">Present only when rotate is true.</param>
public sealed record RenewalShape(
    bool Rotate, string Role, string Database, GrantShape.LeaseShape Lease, GrantShape.HolderShape Holder, int Connections,
    int? OverlapSeconds = null, long? Allotment = null, GrantShape.CredentialsShape? Credentials = null);
