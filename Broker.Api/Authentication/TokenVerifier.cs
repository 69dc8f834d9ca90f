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
    private const int MostFetches = 100;
    private const int MostWaitingForFetches = 500;
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(5);
    private static readonly JsonWebTokenHandler Handler = new() { MapInboundClaims = false };

    private readonly FairLine checks = new(Environment.ProcessorCount, MostWaiting, LongestWait, time);

    // Of tokens that wait until keys are fetched: each is kept in memory meanwhile, whoever hung up.
    private readonly FairLine fetches = new(MostFetches, MostWaitingForFetches, LongestWait, time);
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

        CheckedToken failed = ProofFailure.UnknownIssuer;
        var isUnread = false;
        foreach (var issuer in Candidates(issuers, token))
        {
            // An issuer whose name is not known, because it does not answer, is not waited for by whoever is another's.
            if (StatedBy(issuer) is null && failed.Proof.Failure > ProofFailure.BadSignature && IsWaitedFor(issuer)) continue;
            var found = issuer.Reviews is { } reviews ? await ByReviewAsync(issuer, reviews, token, turn) : await ByKeysAsync(issuer, token, turn);
            if (found.Proof.Caller is not null) return found;
            if (found.Proof.Failure is ProofFailure.KeysUnavailable && StatedBy(issuer) is var stated && (stated is null || !issuer.Definition.IsCalled(stated, token.Issuer)))
            {
                isUnread |= stated is null;
                continue;
            }

            // Failures are ordered like the checks: of several, the one that got furthest says the most.
            // But what the issuer it names cannot read is not unknown to it.
            if (found.Proof.Failure > failed.Proof.Failure || (found.Proof.Failure is ProofFailure.Malformed && failed.Proof.Failure is ProofFailure.UnknownIssuer)) failed = found;
        }

        // That one issuer is away says nothing to whom another has refused.
        return isUnread && failed.Proof.Failure is ProofFailure.UnknownIssuer ? ProofFailure.KeysUnavailable : failed;
    }

    // The issuer that the token names is not proven yet: it only selects the keys to verify the token with. Two clusters may use the same issuer name, so
    // there can be several candidates. Those whose keys have to be waited for come last.
    private static List<BelievedIssuer> Candidates(IReadOnlyList<BelievedIssuer> issuers, JsonWebToken token)
    {
        var (atHand, waited) = (new List<BelievedIssuer>(1), (List<BelievedIssuer>?)null);
        foreach (var issuer in issuers)
        {
            if (StatedBy(issuer) is { } stated && !issuer.Definition.IsCalled(stated, token.Issuer))
            {
                // It may have another name by now, which its keys' next fetch tells.
                if (issuer.Definition.Issuer is null) issuer.Keys.Peek();
            }
            else if (IsWaitedFor(issuer))
            {
                (waited ??= []).Add(issuer);
            }
            else
            {
                atHand.Add(issuer);
            }
        }

        if (waited is not null) atHand.AddRange(waited);
        return atHand;
    }

    private static string? StatedBy(BelievedIssuer issuer) => issuer.Definition.Issuer ?? issuer.Keys.Stated;

    private static bool IsWaitedFor(BelievedIssuer issuer) => issuer.Reviews is null && issuer.Keys.Peek() is null;

    private async Task<CheckedToken> ByKeysAsync(BelievedIssuer issuer, JsonWebToken token, Turn turn)
    {
        var (had, fetched) = await FetchedAsync(issuer.Keys.GetAsync(CancellationToken.None).AsTask(), turn);
        if (!had) return ProofFailure.TooManyChecks;
        if (fetched is not { } keys) return ProofFailure.KeysUnavailable;
        if (!issuer.Definition.IsCalled(issuer.Definition.Issuer ?? keys.Issuer, token.Issuer)) return ProofFailure.UnknownIssuer;
        if (!issuer.Definition.Algorithms.Contains(token.Alg, StringComparer.Ordinal)) return ProofFailure.AlgorithmNotAllowed;

        var (failure, key) = await SignatureAsync(issuer.Definition, keys, token, turn);
        if (failure is ProofFailure.UnknownKey or ProofFailure.BadSignature)
        {
            (had, fetched) = await FetchedAsync(issuer.Keys.LookAgainAsync(CancellationToken.None).AsTask(), turn);
            if (!had) return ProofFailure.TooManyChecks;
            if (fetched is { } newer && newer != keys)
            {
                keys = newer;
                (failure, key) = await SignatureAsync(issuer.Definition, keys, token, turn);
            }
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
            if (failure is ProofFailure.UnknownKey or ProofFailure.BadSignature)
            {
                var (had, fetched) = await FetchedAsync(issuer.Keys.LookAgainAsync(CancellationToken.None).AsTask(), turn);
                if (!had) return ProofFailure.TooManyChecks;
                if (fetched is { } newer && newer != keys) (failure, _) = await SignatureAsync(definition, newer, token, turn);
            }

            // Anybody can name a key that there is not. Where the cluster's keys cannot be read any more, it may have another one since.
            if (failure is not (null or ProofFailure.UnknownKey) || (failure is not null && issuer.Keys.CanBeHad)) return failure.Value;
        }

        return await reviews.AskAsync(token.EncodedToken, said, turn, isSigned: failure is null) is { } refused
            ? refused
            : new CheckedToken(proof, definition.TokenReview!.RememberFor);
    }

    // False: too many wait for keys already.
    private async ValueTask<(bool Had, KeySet? Keys)> FetchedAsync(Task<KeySet?> keys, Turn turn)
    {
        if (keys.IsCompleted) return (true, await keys);
        if (!await fetches.EnterAsync(turn)) return (false, null);
        try
        {
            return (true, await keys);
        }
        finally
        {
            fetches.Leave();
        }
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
