using Broker.Core.Databases;
using Broker.Core.Model;

namespace Broker.Core.Leases;

/// <summary>The answer to a claim: a lease, a holder, and its connections.</summary>
/// <param name="Role">The role.</param>
/// <param name="Database">Its database in the catalog.</param>
/// <param name="Lease">The lease.</param>
/// <param name="Holder">The caller as a holder of it.</param>
/// <param name="Connections">How many connections it may open.</param>
/// <param name="Credentials">What it connects with.</param>
/// <param name="Overlap">
/// Null when the holder keeps its lease. Otherwise it has to move to this one: its connections on the old one may stay open for this long;
/// zero: it has to close them before it opens new ones.
/// </param>
public sealed record Grant(
    string Role, string Database, GrantedLease Lease, GrantedHolder Holder, int Connections, GrantedCredentials Credentials, TimeSpan? Overlap)
{
    /// <summary>The lease's end, from now.</summary>
    public TimeSpan LeaseEndsIn { get; init; }

    /// <summary>The holder's end unless it renews, from now.</summary>
    public TimeSpan HolderEndsIn { get; init; }

    /// <summary>How many of the database's connections count until the holder has confirmed <see cref="Connections"/>; the same when nothing is asked of it.</summary>
    public int Counted { get; init; }

    /// <summary>The number of its present size, to send with the next renewal; null when it does not follow sizes.</summary>
    public long? Allotment { get; init; }

    /// <summary>Why there are fewer connections than requested, in a sentence; null when there are not fewer.</summary>
    public string? FewerBecause { get; init; }

    /// <summary>Whether the lease no longer takes holders, so that this one has to move as soon as it can.</summary>
    public bool Leaving { get; init; }
}

/// <summary>A lease as a holder sees it. Times are the ledger's.</summary>
public sealed record GrantedLease(string Id, DateTimeOffset IssuedAt, DateTimeOffset VerifiedAt, DateTimeOffset ExpiresAt);

/// <summary>A holder as it sees itself.</summary>
/// <param name="Id">For renew and release.</param>
/// <param name="ExpiresAt">Its end unless it renews.</param>
/// <param name="RenewAfterSeconds">When to renew: after two thirds of its time; sooner when it has to move to another lease and there was no room yet.</param>
/// <param name="Caller">Its name, for people.</param>
public sealed record GrantedHolder(string Id, DateTimeOffset ExpiresAt, int RenewAfterSeconds, string Caller);

/// <summary>A holder's credentials. All holders of a lease with the same number of connections share one.</summary>
/// <param name="Login">The user.</param>
/// <param name="Database">The database that it opens.</param>
/// <param name="Strings">The connection strings, with <see cref="Logins.HolderSlot.Mark"/> in place of the holder's name.</param>
public sealed record GrantedCredentials(Login Login, string Database, ConnectionStrings Strings);

/// <summary>A grant or a refusal.</summary>
public readonly record struct Outcome(Grant? Grant, Refusal? Refusal)
{
    public static implicit operator Outcome(Grant grant) => new(grant, null);

    public static implicit operator Outcome(Refusal refusal) => new(null, refusal);
}
