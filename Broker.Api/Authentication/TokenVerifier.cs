using System.Text.Json;
using Broker.Api.Authentication.Certificates;
using Broker.Api.Authentication.Kubernetes;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Limits;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Broker.Api.Authentication;

/// <summary>An issuer whose tokens are trusted, and the means to verify them.</summary>
/// <param name="Definition">As configured.</param>
/// <param name="Keys">Its keys; for a cluster that reviews each token, the keys that filter out forged tokens beforehand.</param>
/// <param name="Reviews">Asks the cluster about each token; null when the keys alone decide.</param>
internal sealed record BelievedIssuer(IdentityIssuer Definition, SigningKeys Keys, TokenReviews? Reviews);

/// <summary>The result of a check.</summary>
/// <param name="Proof">The caller that the token proves, or why it proves none.</param>
/// <param name="GoodFor">How long the result is trusted without another check.</param>
internal readonly record struct CheckedToken(Proof Proof, TimeSpan GoodFor)
{
    public static implicit operator CheckedToken(ProofFailure failure) => new(new Proof(failure), TimeSpan.Zero);
}

/// <summary>
/// Checks tokens in full. The number of concurrent checks is bounded, and they take turns by address and by claimed identity: a flood of invalid
/// tokens waits for its own turn, while other callers from the same address have theirs.
/// </summary>
internal sealed class TokenVerifier(ProofHasher hasher, TimeProvider time)
{
    private const int MostWaiting = 1000;
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(5);
    private static readonly JsonWebTokenHandler Handler = new() { MapInboundClaims = false };

    private readonly FairLine checks = new(Environment.ProcessorCount, MostWaiting, LongestWait, time);
    private long checkedTokens;

    /// <summary>How many tokens were checked since the start.</summary>
    public long Checked => Interlocked.Read(ref checkedTokens);

    /// <summary>Who a token proves.</summary>
    /// <param name="issuers">The issuers whose tokens are trusted.</param>
    /// <param name="text">The token.</param>
    /// <param name="from">A key that stands for the address it came from.</param>
    public async Task<CheckedToken> CheckAsync(IReadOnlyList<BelievedIssuer> issuers, ReadOnlyMemory<char> text, string from)
    {
        Interlocked.Increment(ref checkedTokens);
        if (Parse(text, from) is not var (token, turn)) return ProofFailure.Malformed;

        // The issuer that the token names is not proven yet: it only selects the keys to verify the token with. Two clusters
        // may use the same issuer name, so there can be several candidates.
        CheckedToken failed = ProofFailure.UnknownIssuer;
        foreach (var issuer in issuers)
        {
            if (issuer.Definition.Issuer is not null && !IsBy(issuer.Definition, issuer.Definition.Issuer, token)) continue;
            var found = issuer.Reviews is { } reviews ? await ByReviewAsync(issuer, reviews, token, turn) : await ByKeysAsync(issuer, token, turn);
            if (found.Proof.Caller is not null) return found;

            // Failures are ordered like the checks: of several, the one that got furthest says the most.
            // But what the issuer it names cannot read is not unknown to it.
            if (found.Proof.Failure > failed.Proof.Failure || (found.Proof.Failure is ProofFailure.Malformed && failed.Proof.Failure is ProofFailure.UnknownIssuer)) failed = found;
        }

        return failed;
    }

    private async Task<CheckedToken> ByKeysAsync(BelievedIssuer issuer, JsonWebToken token, Turn turn)
    {
        var keys = await issuer.Keys.GetAsync(CancellationToken.None);
        if (keys is null) return ProofFailure.KeysUnavailable;
        if (!IsBy(issuer.Definition, issuer.Definition.Issuer ?? keys.Issuer, token)) return ProofFailure.UnknownIssuer;
        if (!issuer.Definition.Algorithms.Contains(token.Alg, StringComparer.Ordinal)) return ProofFailure.AlgorithmNotAllowed;

        var (failure, key) = await SignatureAsync(issuer.Definition, keys, token, turn);
        if (failure is ProofFailure.UnknownKey or ProofFailure.BadSignature
            && await issuer.Keys.LookAgainAsync(CancellationToken.None) is { } newer && newer != keys)
        {
            keys = newer;
            (failure, key) = await SignatureAsync(issuer.Definition, keys, token, turn);
        }

        if (failure is { } why) return why;
        var proof = Content(issuer.Definition, token);
        return proof.Caller is { } caller ? new CheckedToken(new Proof(caller with { SigningKey = key!.Thumbprint }), GoodFor(keys)) : proof.Failure!.Value;
    }

    // A token that is visibly wrong, or verifiably not signed by the cluster, is not sent to the cluster; what only the
    // cluster knows is asked last.
    private async Task<CheckedToken> ByReviewAsync(BelievedIssuer issuer, TokenReviews reviews, JsonWebToken token, Turn turn)
    {
        var definition = issuer.Definition;
        if (!definition.Algorithms.Contains(token.Alg, StringComparer.Ordinal)) return ProofFailure.AlgorithmNotAllowed;
        if (!token.Audiences.Contains(definition.Audience, StringComparer.Ordinal)) return ProofFailure.WrongAudience;
        var proof = Content(definition, token);
        if (proof.Caller is not { } said) return proof.Failure!.Value;

        var failure = (ProofFailure?)ProofFailure.UnknownKey;
        if (issuer.Keys.Peek() is { } keys)
        {
            (failure, _) = await SignatureAsync(definition, keys, token, turn);
            if (failure is ProofFailure.UnknownKey or ProofFailure.BadSignature && await issuer.Keys.LookAgainAsync(CancellationToken.None) is { } newer && newer != keys)
                (failure, _) = await SignatureAsync(definition, newer, token, turn);

            // Anybody can name a key that there is not. Where the cluster's keys cannot be read any more, it may have another one since.
            if (failure is not (null or ProofFailure.UnknownKey) || (failure is not null && issuer.Keys.CanBeHad)) return failure.Value;
        }

        return await reviews.AskAsync(token.EncodedToken, said, turn, isSigned: failure is null) is { } refused
            ? refused
            : new CheckedToken(proof, definition.TokenReview!.RememberFor);
    }

    private async Task<(ProofFailure? Failure, SigningKey? Key)> SignatureAsync(IdentityIssuer issuer, KeySet keys, JsonWebToken token, Turn turn)
    {
        var candidates = keys.For(token.Kid, token.Alg).ToList();
        if (candidates.Count == 0) return (ProofFailure.UnknownKey, null);
        if (!await checks.EnterAsync(turn)) return (ProofFailure.TooManyChecks, null);
        try
        {
            var failure = (ProofFailure?)ProofFailure.BadSignature;
            foreach (var key in candidates)
            {
                failure = await SignatureAsync(issuer, key, token);
                if (failure != ProofFailure.BadSignature) return (failure, key);
            }

            return (failure, null);
        }
        finally
        {
            checks.Leave();
        }
    }

    private static async Task<ProofFailure?> SignatureAsync(IdentityIssuer issuer, SigningKey key, JsonWebToken token)
    {
        var result = await Handler.ValidateTokenAsync(token, new TokenValidationParameters
        {
            ValidIssuer = token.Issuer, // known to be one of the issuer's at this point
            ValidAudience = issuer.Audience,
            ValidAlgorithms = issuer.Algorithms,
            IssuerSigningKeyResolver = (_, _, _, _) => [key.Key],
            RequireSignedTokens = true,

            // Checked by us, against the injected clock.
            ValidateLifetime = false,
        });
        return result.IsValid ? null : result.Exception switch
        {
            SecurityTokenInvalidAudienceException => ProofFailure.WrongAudience,
            SecurityTokenInvalidIssuerException => ProofFailure.UnknownIssuer,
            SecurityTokenInvalidAlgorithmException => ProofFailure.AlgorithmNotAllowed,
            SecurityTokenInvalidSignatureException => ProofFailure.BadSignature,
            _ => ProofFailure.Malformed,
        };
    }

    private Proof Content(IdentityIssuer issuer, JsonWebToken token)
    {
        var now = time.GetUtcNow();
        if (token.ValidTo == DateTime.MinValue) return new Proof(ProofFailure.NoExpiry);
        var end = new DateTimeOffset(token.ValidTo, TimeSpan.Zero);
        if (now - issuer.ClockSkew >= end) return new Proof(ProofFailure.Expired);
        if (token.ValidFrom != DateTime.MinValue && now + issuer.ClockSkew < new DateTimeOffset(token.ValidFrom, TimeSpan.Zero))
            return new Proof(ProofFailure.NotYetValid);
        if (string.IsNullOrEmpty(token.Subject)) return new Proof(ProofFailure.NoSubject);
        try
        {
            if (ClaimsFlattening.Flatten(Base64UrlEncoder.DecodeBytes(token.EncodedPayload)) is not { } claims) return new Proof(ProofFailure.TooManyClaims);
            var caller = new Caller(issuer.Name, TokenClaims.OneOf(token.Subject), claims, end, issuer.Cluster) { ProofHash = hasher.Hash(token.EncodedToken) };
            return SpiffeIds.Bind(issuer, caller) is { } bound ? new Proof(bound) : new Proof(ProofFailure.CertificateMissing);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return new Proof(ProofFailure.Malformed); // the latter: text that is none, as half a surrogate
        }
    }

    // A key that was withdrawn after the keys were requested is trusted for a minute at most, counted from the request.
    private TimeSpan GoodFor(KeySet keys)
    {
        var left = ProvenTokens.Longest - keys.AskedAt.Age(time);
        return left > SigningKeys.AfterFailure ? left : SigningKeys.AfterFailure;
    }

    private static bool IsBy(IdentityIssuer issuer, string? stated, JsonWebToken token) =>
        string.Equals(stated, token.Issuer, StringComparison.Ordinal) || issuer.FormerIssuers.Contains(token.Issuer, StringComparer.Ordinal);

    // The token, and the key by which its checks take turns.
    private static (JsonWebToken Token, Turn Turn)? Parse(ReadOnlyMemory<char> text, string from)
    {
        try
        {
            var token = new JsonWebToken(text);

            // Encrypted tokens are not supported. RFC 7515, 4.1.11: a recipient that does not understand what "crit" lists must refuse.
            if (token.IsEncrypted || token.TryGetHeaderValue<object>("crit", out _)) return null;

            // Read here because these are parsed lazily, and throw at the first access.
            _ = (token.Alg, token.Kid, token.Issuer, token.Subject, token.ValidTo, token.ValidFrom, token.Audiences);
            var pod = token.TryGetPayloadValue<JsonElement>("kubernetes.io", out var kubernetes) ? kubernetes.ToString() : null;
            return (token, new Turn(from, string.Join('\n', token.Issuer, token.Subject, pod)));
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            // The library throws a dozen exception types for text that is not a token; all mean the same.
            return null;
        }
    }
}
