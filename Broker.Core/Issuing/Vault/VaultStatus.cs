using System.Net;
using Polly.CircuitBreaker;
using Polly.Timeout;

namespace Broker.Core.Issuing.Vault;

/// <summary>The meaning of an answer of Vault for the call that got it.</summary>
internal enum VaultVerdict
{
    /// <summary>It was done.</summary>
    Done,

    /// <summary>Done, with nothing to return (an empty list; a lease that was already gone).</summary>
    NothingThere,

    /// <summary>Our token has ended, or its policy does not allow this: only looking up the token can tell.</summary>
    TokenRefused,

    /// <summary>Vault knows no such lease, or it has ended.</summary>
    LeaseUnknown,

    /// <summary>The lease lives, but can get no more time.</summary>
    LeaseAtItsEnd,

    /// <summary>Like <see cref="IssuerFailure.Unavailable"/>.</summary>
    Unavailable,

    /// <summary>Like <see cref="IssuerFailure.Throttled"/>.</summary>
    Throttled,

    /// <summary>Like <see cref="IssuerFailure.Refused"/>.</summary>
    Refused,

    /// <summary>Like <see cref="IssuerFailure.DatabaseUnavailable"/>.</summary>
    DatabaseUnavailable,

    /// <summary>Like <see cref="IssuerFailure.AnswerLost"/>.</summary>
    AnswerLost,
}

/// <summary>
/// What every status and every broken connection means: the single place that knows Vault's behaviour. Facts from the
/// sources of OpenBao and from exchanges recorded with Vault 1.5 and OpenBao 2.5; the first matching row decides.
/// </summary>
internal static class VaultStatus
{
    /// <summary>Vault's rate-limit quotas send no <c>Retry-After</c> unless told to; their smallest usual interval is this.</summary>
    public static readonly TimeSpan UsualRetryAfter = TimeSpan.FromSeconds(1);

    /// <param name="call">The call.</param>
    /// <param name="status">The HTTP status.</param>
    /// <param name="fromVault">
    /// Whether the body is Vault's <c>{"errors":[…]}</c>. Otherwise a proxy between us and Vault answered, and Vault's handling
    /// of the request is not known.
    /// </param>
    /// <param name="text">The errors, cleaned.</param>
    public static VaultVerdict Read(VaultCall call, int status, bool fromVault, string text) => (call, status) switch
    {
        (VaultCall.Issue, 200) => VaultVerdict.Done,
        (VaultCall.Issue, > 200 and < 300) => VaultVerdict.AnswerLost, // a proxy or a mistake: no login in it
        (_, >= 200 and < 300) => VaultVerdict.Done, // 204 says nothing, 202 (revoke) not yet, 200 the same with warnings

        // A standby redirects what it could not pass on, and what it passed on and lost the answer to (OpenBao http/handler.go forwardRequest). If it
        // then knows no active node to name, that is its 503. Other redirects are a proxy's, which passed nothing on.
        (VaultCall.Issue, 307 or 308) => VaultVerdict.AnswerLost,
        (VaultCall.Issue, 503) when fromVault && text.Contains("no active Vault instance found", StringComparison.Ordinal) => VaultVerdict.AnswerLost,
        (_, >= 300 and < 400) => VaultVerdict.Unavailable,

        // A disaster-recovery secondary answers 472 for its health, and this for everything else.
        (_, 400) when text.Contains("replication DR secondary mode", StringComparison.Ordinal) => VaultVerdict.Unavailable,

        // Tokens. A missing one is 400 up to Vault 1.9 and 403 since; a bad one, an expired one and a policy are all 403.
        (VaultCall.LogIn, 400 or 403 or 404) => VaultVerdict.Refused,
        (_, 403) => VaultVerdict.TokenRefused,
        (_, 400) when text == "missing client token" => VaultVerdict.TokenRefused,

        // Leases that are gone. Revoking one counts as done.
        (VaultCall.Renew, 400) when IsGone(text) => VaultVerdict.LeaseUnknown,
        (VaultCall.LookUp, 400) when IsGone(text) => VaultVerdict.LeaseUnknown,
        (VaultCall.Revoke, 400) when IsGone(text) => VaultVerdict.NothingThere,
        (VaultCall.List, 404) when fromVault && text.Length == 0 => VaultVerdict.NothingThere,

        // Leases and tokens at their end. Of a token whose role was given a shorter max TTL, this comes as 500.
        (VaultCall.Renew, 400 or 500) when IsPastMaxTtl(text) => VaultVerdict.LeaseAtItsEnd,
        (VaultCall.RenewSelf, 400 or 500) when IsPastMaxTtl(text) => VaultVerdict.Refused,
        (VaultCall.Renew, 400) when text.Contains("lease is not renewable", StringComparison.Ordinal) => VaultVerdict.LeaseAtItsEnd,

        // The database's errors while renewing or revoking also arrive as 400, so 400 proves nothing about the lease.
        (VaultCall.Renew or VaultCall.Revoke, 400) => VaultVerdict.Unavailable,

        // Mistakes that somebody has to fix: an unknown role, no such mount, a role that may not use its database.
        (_, 400 or 401 or 404 or 405 or 413 or 414) => VaultVerdict.Refused,
        (VaultCall.Issue, 500) when text.Contains("is not an allowed role", StringComparison.Ordinal) => VaultVerdict.Refused,

        // Vault is reachable but cannot serve now.
        (_, 412) => VaultVerdict.Unavailable, // "missing required state": this node has not caught up
        (_, 429) => VaultVerdict.Throttled,
        (_, 472 or 473) => VaultVerdict.Unavailable, // a disaster-recovery or performance standby
        (_, 501) => VaultVerdict.Unavailable, // not initialised

        // A standby that knows no active node says so before it passes anything on. An internal error is ambiguous: Vault returns it when it
        // cannot write to its audit device, before it asks the database or after.
        (VaultCall.Issue or VaultCall.Revoke, 500) when fromVault && text.Contains("active cluster node not found", StringComparison.Ordinal) => VaultVerdict.Unavailable,
        (VaultCall.Issue, 500) when fromVault && text == "internal error" => VaultVerdict.AnswerLost,
        (VaultCall.Revoke, 500) when fromVault && text == "internal error" => VaultVerdict.Unavailable,

        // Issuing answers 500 when the database failed, and then undoes its work. But when its own deadline passed
        // after the statements were sent, the database may have carried them out.
        (VaultCall.Issue, 500) when fromVault && IsCutOff(text) => VaultVerdict.AnswerLost,
        (VaultCall.Issue or VaultCall.Revoke, 500) when fromVault => VaultVerdict.DatabaseUnavailable,
        (_, 503) when fromVault => VaultVerdict.Unavailable, // sealed, or its API is locked: nothing was done

        // Anything else came from a proxy that may have passed the request on.
        (VaultCall.Issue, _) => VaultVerdict.AnswerLost,
        _ => VaultVerdict.Unavailable,
    };

    /// <summary>
    /// The meaning of an answer to a call that a standby redirected before: it says what the active node did now, and not whether the standby had passed the call on.
    /// What that node refuses, it refused then too.
    /// </summary>
    public static VaultVerdict AfterRedirect(VaultCall call, VaultVerdict verdict) =>
        call == VaultCall.Issue && verdict is (VaultVerdict.Unavailable or VaultVerdict.Throttled or VaultVerdict.DatabaseUnavailable) ? VaultVerdict.AnswerLost : verdict;

    /// <summary>The meaning of a call without an answer.</summary>
    public static VaultVerdict Read(VaultCall call, Exception failure) => failure switch
    {
        BrokenCircuitException => VaultVerdict.Unavailable, // not sent
        _ when NothingWasSent(failure) => VaultVerdict.Unavailable,
        _ => call == VaultCall.Issue ? VaultVerdict.AnswerLost : VaultVerdict.Unavailable,
    };

    /// <summary>Whether a failure came before the request could have left this machine: only then may issuing be repeated.</summary>
    public static bool NothingWasSent(Exception? failure) => failure switch
    {
        HttpRequestException http => http.HttpRequestError
            is HttpRequestError.NameResolutionError
            or HttpRequestError.ConnectionError
            or HttpRequestError.SecureConnectionError
            or HttpRequestError.ProxyTunnelError,
        OperationCanceledException { InnerException: TimeoutException } => true, // the handler's connect timeout
        _ => false,
    };

    /// <summary>Whether an exception is a failed exchange, and not the caller leaving or a fault of ours.</summary>
    public static bool IsTransport(Exception failure) => failure
        is HttpRequestException or TimeoutRejectedException or BrokenCircuitException or IOException
        or OperationCanceledException { InnerException: TimeoutException };

    /// <summary>Whether an answer shows a server in trouble. 500 does not: it is usually one database behind a healthy Vault.</summary>
    public static bool IsTrouble(HttpStatusCode status) => (int)status is 502 or 503 or 504;

    /// <summary>Whether the same request may succeed in a moment.</summary>
    public static bool IsPassing(HttpStatusCode status) => (int)status is 412 or 429 or (>= 500 and not 501);

    // Until Vault 0.10 one text had two meanings, and here meant the first. A batch token's leases end with it.
    private static bool IsGone(string text) =>
        text is "lease not found" or "invalid lease" or "lease expired" or "lease not found or lease is not renewable"
            or "cannot renew lease, no valid associated token"
        || text.StartsWith("lease is expired", StringComparison.Ordinal);

    private static bool IsPastMaxTtl(string text) => text.Contains("past the max TTL", StringComparison.Ordinal);

    private static bool IsCutOff(string text) =>
        (text.Contains("context deadline exceeded", StringComparison.Ordinal)
            || text.Contains("context canceled", StringComparison.Ordinal))
        && !text.Contains("connect", StringComparison.OrdinalIgnoreCase)
        && !text.Contains("dial", StringComparison.OrdinalIgnoreCase);
}
