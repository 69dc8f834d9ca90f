using Broker.Core.Catalog;
using Broker.Core.Model;

namespace Broker.Core.Issuing;

/// <summary>
/// The creator of database users. Every call throws <see cref="IssuerException"/> and nothing else (cancellation
/// apart). Issuing is not idempotent: a call whose answer was lost may have made a user, and says so with
/// <see cref="IssuerFailure.AnswerLost"/>.
/// </summary>
public interface IIssuer
{
    /// <summary>Creates one database user.</summary>
    Task<IssuedLease> IssueAsync(IssueOrder order, CancellationToken cancellation);

    /// <summary>Asks for more time. Returns the time that the lease now has, which may be less than requested.</summary>
    /// <param name="lease">The lease.</param>
    /// <param name="increment">The requested time from now.</param>
    /// <param name="now">The ledger's time, for issuers that write the end themselves (law L9).</param>
    /// <param name="cancellation">Ends the wait.</param>
    Task<LeaseTerm> RenewAsync(IssuerLease lease, TimeSpan increment, DateTimeOffset now, CancellationToken cancellation);

    /// <summary>Drops the user. A lease that no longer exists counts as revoked.</summary>
    Task RevokeAsync(IssuerLease lease, CancellationToken cancellation);

    /// <summary>The time that a lease has left, or null when the issuer no longer knows it.</summary>
    Task<LeaseTerm?> LookUpAsync(IssuerLease lease, DateTimeOffset now, CancellationToken cancellation);

    /// <summary>The ids of all leases that the issuer has for a role, for finding leases that nobody knows any more.</summary>
    /// <exception cref="IssuerException"><see cref="IssuerFailure.Refused"/> if the issuer does not let us list.</exception>
    Task<IReadOnlyList<string>> ListAsync(Role role, Database database, CancellationToken cancellation);

    /// <summary>
    /// The user name that <see cref="IssueAsync"/> will create, if the issuer lets us choose it: it is written into the
    /// intent, so that the user can be found after a crash. Null if the issuer chooses (Vault).
    /// </summary>
    string? ProposeUsername(Role role, Database database);

    /// <summary>
    /// Whether a name and an id could belong to a lease that this issuer made for the role: so that somebody who can write to the ledger
    /// cannot have anything else renewed or dropped (law L14). Either may be empty when it is not known.
    /// </summary>
    /// <param name="role">The role.</param>
    /// <param name="database">Its database.</param>
    /// <param name="username">The database user.</param>
    /// <param name="id">The issuer's id.</param>
    bool CouldHaveMade(Role role, Database database, string username, string id);

    /// <summary>
    /// Keeps alive what the issuer's leases depend on, and returns when to do so again; null when they depend on nothing.
    /// </summary>
    /// <exception cref="IssuerException">It could not be kept alive: leases end early unless somebody fixes that.</exception>
    Task<TimeSpan?> KeepAliveAsync(CancellationToken cancellation) => Task.FromResult<TimeSpan?>(null);

    /// <summary>Whether the server that makes users would make one now; null where there is none besides the database.</summary>
    Task<bool?> IsUpAsync(CancellationToken cancellation) => Task.FromResult<bool?>(null);

    /// <summary>
    /// Identifies what the issuer's leases depend on, and obtains it if there is none yet: when it changes, earlier leases may have ended with it. Null when they depend on
    /// nothing.
    /// </summary>
    Task<string?> GenerationAsync(CancellationToken cancellation) => Task.FromResult<string?>(null);
}

/// <summary>One order to issue.</summary>
/// <param name="Role">The role.</param>
/// <param name="Database">The database.</param>
/// <param name="Username">The name from <see cref="IIssuer.ProposeUsername"/>; null for issuers that choose names themselves.</param>
/// <param name="Now">The ledger's time, for issuers that write the end themselves (law L9).</param>
public sealed record IssueOrder(Role Role, Database Database, string? Username, DateTimeOffset Now);

/// <summary>The identity of a lease at its issuer.</summary>
/// <param name="Role">The role it was issued for.</param>
/// <param name="Database">The database its user is in.</param>
/// <param name="Id">The issuer's id: Vault's <c>lease_id</c>; the user name for the built-in issuer.</param>
public sealed record IssuerLease(Role Role, Database Database, string Id);

/// <summary>A lease as the issuer returned it.</summary>
/// <param name="Id">The issuer's id for it.</param>
/// <param name="Login">The new user.</param>
/// <param name="Term">How long it lives.</param>
public sealed record IssuedLease(string Id, Login Login, LeaseTerm Term);

/// <summary>How long a lease lives from now.</summary>
/// <param name="Duration">The time from the moment of the answer.</param>
/// <param name="Renewable">Whether <see cref="IIssuer.RenewAsync"/> can give more.</param>
/// <param name="Warning">The issuer's warning, e.g. about a shortened time; usually null.</param>
/// <param name="IssuedAt">When it was issued, on the issuer's clock; null if it does not say.</param>
public sealed record LeaseTerm(TimeSpan Duration, bool Renewable, string? Warning = null, DateTimeOffset? IssuedAt = null);

/// <summary>Why a call to an issuer failed.</summary>
public enum IssuerFailure
{
    /// <summary>Not reachable, sealed, starting, or its circuit is open; certainly nothing was created.</summary>
    Unavailable,

    /// <summary>Too many requests. Certainly nothing was created.</summary>
    Throttled,

    /// <summary>It refuses (policy, unknown role, bad statement); trying again does not help until somebody fixes it. Nothing was created.</summary>
    Refused,

    /// <summary>The database behind the issuer failed. Nothing remains created.</summary>
    DatabaseUnavailable,

    /// <summary>It does not know the lease (renew, look up).</summary>
    LeaseUnknown,

    /// <summary>The request may have been carried out, but no answer came: a user may exist (law L5).</summary>
    AnswerLost,
}

/// <summary>An issuer did not carry out a call. The message holds the issuer's own words, never a secret.</summary>
public sealed class IssuerException(IssuerFailure failure, string message, TimeSpan? retryAfter = null, Exception? inner = null)
    : Exception(message, inner)
{
    /// <summary>Which kind of failure.</summary>
    public IssuerFailure Failure { get; } = failure;

    /// <summary>When the issuer said to try again; null when it said nothing.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter;
}
