using Broker.Core.Model;

namespace Broker.Api.Authentication;

/// <summary>
/// Why a request does not prove a caller. A closed list in the order of the checks; from <see cref="KeysUnavailable"/> on, the token may be
/// valid. <see cref="ProofFailures"/> has the texts for callers.
/// </summary>
public enum ProofFailure
{
    /// <summary>There is no bearer token.</summary>
    NoToken,

    /// <summary>It is not a signed JSON Web Token.</summary>
    Malformed,

    /// <summary>It is longer than <see cref="CallerProver.MaxTokenLength"/>.</summary>
    TooLong,

    /// <summary>No configured issuer has its <c>iss</c>.</summary>
    UnknownIssuer,

    /// <summary>Its issuer may not use its <c>alg</c>; <c>none</c> and symmetric ones are never allowed.</summary>
    AlgorithmNotAllowed,

    /// <summary>Its issuer has no such key, even after the keys were fetched again.</summary>
    UnknownKey,

    /// <summary>Its signature is not its issuer's.</summary>
    BadSignature,

    /// <summary>It is not for the broker.</summary>
    WrongAudience,

    /// <summary>It has no <c>exp</c>: a token that never ends is not accepted.</summary>
    NoExpiry,

    /// <summary>It has expired.</summary>
    Expired,

    /// <summary>Its <c>nbf</c> is in the future.</summary>
    NotYetValid,

    /// <summary>It has no <c>sub</c>.</summary>
    NoSubject,

    /// <summary>It has more claims, or nests them deeper, than the broker accepts.</summary>
    TooManyClaims,

    /// <summary>The cluster does not accept it: it has expired, is for another audience, or its pod is gone.</summary>
    ReviewRefused,

    /// <summary>It is not a session's token, or the session has ended or was revoked.</summary>
    SessionUnknown,

    /// <summary>It is not an administrator's token of this broker, or it has expired.</summary>
    AdminTokenRefused,

    /// <summary>The caller must also present a client certificate, and presented none or another caller's.</summary>
    CertificateMissing,

    /// <summary>Its issuer's keys could not be fetched yet: the token may be valid. Trying again helps.</summary>
    KeysUnavailable,

    /// <summary>The cluster that must review it does not answer: the token may be valid. Trying again helps.</summary>
    ReviewUnavailable,

    /// <summary>The ledger that knows the sessions does not answer: the token may be valid. Trying again helps.</summary>
    SessionsUnavailable,

    /// <summary>Too many other tokens are being checked: this one may be valid. Trying again helps.</summary>
    TooManyChecks,

    /// <summary>It is invalid, like too many others from this address lately, so the caller is no longer told what is wrong with it.</summary>
    TooManyFailures,
}

/// <summary>What the failures mean to callers.</summary>
public static class ProofFailures
{
    /// <summary>What is wrong and what to do, for the caller. Never quotes the token's content.</summary>
    public static string Describe(this ProofFailure failure) => failure switch
    {
        ProofFailure.NoToken => "Send a bearer token: Authorization: Bearer <token>.",
        ProofFailure.Malformed => "The token is not a signed JSON Web Token. Send it whole and unchanged.",
        ProofFailure.TooLong => $"The token is longer than {CallerProver.MaxTokenLength} characters.",
        ProofFailure.UnknownIssuer => "The broker does not know the token's issuer (iss). Ask whoever runs the broker to add it under Broker:Identity:Issuers.",
        ProofFailure.AlgorithmNotAllowed => "The token's signature algorithm is not accepted. Use an asymmetric one that is configured for its issuer.",
        ProofFailure.UnknownKey => "The token is signed with a key its issuer does not publish. Get a new token.",
        ProofFailure.BadSignature => "The token's signature is wrong. Get a new token and send it unchanged.",
        ProofFailure.WrongAudience => "The token is not for this broker (aud). Request one with the broker's audience.",
        ProofFailure.NoExpiry => "The token has no expiry (exp). Use one that expires, such as a projected service account token.",
        ProofFailure.Expired => "The token has expired (exp). Read the token file again before each call, or get a new token.",
        ProofFailure.NotYetValid => "The token is not valid yet (nbf). Compare the clocks.",
        ProofFailure.NoSubject => "The token names no subject (sub).",
        ProofFailure.TooManyClaims => "The token has too many or too deeply nested claims. Ask its issuer for fewer.",
        ProofFailure.ReviewRefused => "The cluster does not accept the token: it has expired, is for another audience, or its pod is gone. Read the token file again.",
        ProofFailure.SessionUnknown => "There is no such session: it has ended or was revoked. Open one with POST /api/v1/sessions.",
        ProofFailure.AdminTokenRefused => "The token is not an administrator's token of this broker, or it has expired. Get one with 'broker admin-token' on the server.",
        ProofFailure.CertificateMissing => "This caller must also present the client certificate that carries its SPIFFE id.",
        ProofFailure.ReviewUnavailable => "The token's cluster cannot review it at the moment. Try again in a few seconds.",
        ProofFailure.SessionsUnavailable => "The broker's ledger, which knows the sessions, does not answer. Try again in a few seconds.",
        ProofFailure.TooManyChecks => "More tokens are being checked than the broker can check at once. Try again in a few seconds.",
        ProofFailure.TooManyFailures => "The token is invalid, like too many others from this address lately. Read the token file again, and try again in a few seconds.",
        ProofFailure.KeysUnavailable => "The keys of the token's issuer cannot be fetched at the moment. Try again in a few seconds.",
        _ => throw new ArgumentOutOfRangeException(nameof(failure), failure, "This failure has no description."),
    };

    /// <summary>Whether nothing was found wrong with the token itself.</summary>
    public static bool MayBeGood(this ProofFailure failure) => failure is >= ProofFailure.KeysUnavailable and not ProofFailure.TooManyFailures;

    /// <summary>
    /// Whether anybody could have made the token up. A token that was genuine, but has expired or is for another audience, counts
    /// against no address.
    /// </summary>
    public static bool IsNobodys(this ProofFailure failure) => failure is ProofFailure.Malformed or ProofFailure.TooLong or ProofFailure.UnknownIssuer
        or ProofFailure.AlgorithmNotAllowed or ProofFailure.UnknownKey or ProofFailure.BadSignature or ProofFailure.ReviewRefused
        or ProofFailure.SessionUnknown or ProofFailure.AdminTokenRefused;

    /// <summary>The refusal that a caller gets for it.</summary>
    public static Refusal Refusal(this ProofFailure failure) => new(
        failure is ProofFailure.TooManyFailures or ProofFailure.TooManyChecks ? RefusalCode.LimitExceeded : RefusalCode.Unauthenticated,
        failure.Describe(),
        failure.RetryAfter());

    /// <summary>After how long trying again with the same token helps; null when it does not help.</summary>
    public static TimeSpan? RetryAfter(this ProofFailure failure) =>
        failure >= ProofFailure.KeysUnavailable ? SigningKeys.AfterFailure : null;
}
