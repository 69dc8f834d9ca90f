using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Broker.Api.Authentication.Certificates;
using Broker.Api.Authentication.Kubernetes;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Broker.Api.Authentication;

/// <summary>
/// Proves who asks from a bearer token. A token that was proven is remembered, by its hash, until its end and never longer
/// than a minute, so that a pod's calls cost one signature check a minute and a withdrawn key is obeyed soon. A swapped
/// catalog forgets them all.
/// </summary>
public sealed class CallerProver : IDisposable
{
    /// <summary>The longest token looked at, in characters.</summary>
    public const int MaxTokenLength = 16 * 1024;

    private const int MaxRemembered = 20_000;
    private static readonly JsonWebTokenHandler Handler = new() { MapInboundClaims = false };

    private readonly ICatalog catalog;
    private readonly ProofHasher hasher;
    private readonly TimeProvider time;
    private readonly ILogger<CallerProver> log;
    private readonly Lock swapping = new();
    private volatile Believed believed;
    private long validations;

    public CallerProver(ICatalog catalog, ProofHasher hasher, TimeProvider time, ILogger<CallerProver> log)
    {
        (this.catalog, this.hasher, this.time, this.log) = (catalog, hasher, time, log);
        believed = new Believed([], new ProvenTokens(MaxRemembered, time));
        catalog.Swapped += Swap;
        Swap(catalog.Current);
    }

    /// <summary>How many tokens were checked in full since the start; the rest were remembered.</summary>
    public long Validations => Interlocked.Read(ref validations);

    /// <summary>Who a token proves. Answers at once, on the caller's thread, when the token is remembered.</summary>
    public ValueTask<Proof> ProveAsync(ReadOnlyMemory<char> token, CancellationToken cancellation)
    {
        if (token.IsEmpty) return new(new Proof(ProofFailure.NoToken));
        if (token.Length > MaxTokenLength) return new(new Proof(ProofFailure.TooLong));
        var now = believed;
        var hash = TokenHash.Of(token.Span);
        return now.Proven.TryRecall(hash, out var caller)
            ? new(new Proof(caller))
            : new(ProveOnceAsync(now, hash, token).WaitAsync(cancellation));
    }

    /// <summary>Who a token proves, if that is remembered.</summary>
    internal bool TryRecall(ReadOnlySpan<char> token, out Caller caller)
    {
        caller = null!;
        return token.Length is > 0 and <= MaxTokenLength && believed.Proven.TryRecall(TokenHash.Of(token), out caller);
    }

    /// <summary>Fetches every issuer's keys, so that the first caller need not wait; an issuer that is down is not waited for.</summary>
    public async Task WarmAsync(CancellationToken cancellation)
    {
        foreach (var issuer in believed.Issuers.Where(issuer => issuer.Reviews is null)) await issuer.Keys.GetAsync(cancellation);
    }

    /// <summary>
    /// Proves tokens of a key that nobody else ever sees, for a memory that nobody else ever reads: the code is ready then, and
    /// there is no way in.
    /// </summary>
    internal async Task<Caller> RehearseAsync(int times, CancellationToken cancellation)
    {
        // Small, because it is made anew at each start and guards nothing.
        using var key = RSA.Create(1024);
        var keys = new KeySet("rehearsal", [new RsaSecurityKey(key.ExportParameters(includePrivateParameters: false)) { KeyId = "rehearsal" }]);
        var signing = new SigningKeys("rehearsal", () => Task.FromResult(keys), TimeSpan.MaxValue, TimeSpan.MaxValue, time, NullLogger.Instance);
        var issuer = new IdentityIssuer { Name = "rehearsal", Issuer = "rehearsal", Audience = "rehearsal" };
        var rehearsed = new Believed([new(issuer, new("rehearsal", null, null, null, null), signing, null)], new ProvenTokens(2 * times, time));
        var proof = new Proof(ProofFailure.NoToken);
        for (var i = 0; i < times; i++)
        {
            var end = time.GetUtcNow().AddHours(1).ToUnixTimeSeconds();
            var text = Sign($$"""{"kubernetes.io":{"namespace":"rehearsal"},"exp":{{end}},"iss":"rehearsal","aud":"rehearsal","sub":"{{i}}"}""");
            proof = await ProveOnceAsync(rehearsed, TokenHash.Of(text), text.AsMemory()).WaitAsync(cancellation);
        }

        return proof.Caller ?? throw new InvalidOperationException($"A token that is right was refused: {proof.Failure}.");

        string Sign(string payload)
        {
            var signed = $"{Base64UrlEncoder.Encode("""{"alg":"RS256","kid":"rehearsal","typ":"JWT"}""")}.{Base64UrlEncoder.Encode(payload)}";
            return $"{signed}.{Base64UrlEncoder.Encode(key.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1))}";
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        catalog.Swapped -= Swap;
        foreach (var issuer in believed.Issuers) issuer.Reviews?.Dispose();
    }

    // Everything a proof rests on changes in one step: a check that began under the old catalog is remembered, if at all,
    // in memory that nobody reads any more.
    private void Swap(CatalogSnapshot snapshot)
    {
        lock (swapping)
        {
            var before = believed.Issuers.ToDictionary(issuer => issuer.Source, issuer => issuer.Keys);
            var issuers = new List<BelievedIssuer>();
            foreach (var definition in snapshot.Identity.Issuers.Values)
            {
                // Keys once fetched stay good through a reload, even while the issuer is down.
                var source = new KeySource(definition.Name, definition.Authority, definition.JwksFile, definition.CaFile, definition.BearerTokenFile);
                issuers.Add(new BelievedIssuer(definition, source,
                    before.GetValueOrDefault(source) ?? KeyFetching.Create(definition, time, log),
                    ReviewsFor(definition)));
            }

            believed = new Believed(issuers, new ProvenTokens(MaxRemembered, time));
        }
    }

    // One that is not kept may still be answering; it goes when nobody uses it any more.
    private TokenReviews? ReviewsFor(IdentityIssuer definition) => definition.TokenReview is not { } review ? null
        : believed.Issuers.Select(issuer => issuer.Reviews).FirstOrDefault(reviews => reviews?.IsFor(definition) == true) ?? new TokenReviews(definition, review, log);

    // All who send one token at once share one check, which none of them can cancel for the others.
    private Task<Proof> ProveOnceAsync(Believed now, TokenHash hash, ReadOnlyMemory<char> token)
    {
        var mine = new TaskCompletionSource<Proof>(TaskCreationOptions.RunContinuationsAsynchronously);
        var shared = now.UnderWay.GetOrAdd(hash, mine.Task);
        if (shared == mine.Task) _ = RunAsync();
        return shared;

        async Task RunAsync()
        {
            try
            {
                // Another check of this token may have ended between our look into the memory and here.
                if (now.Proven.TryRecall(hash, out var caller))
                {
                    mine.SetResult(new Proof(caller));
                    return;
                }

                var proof = await CheckAsync(now, token);
                if (proof.Caller is { } proven) now.Proven.Remember(hash, proven, now.RememberFor(proven));
                mine.SetResult(proof);
            }
            catch (Exception error)
            {
                mine.SetException(error);
            }
            finally
            {
                now.UnderWay.TryRemove(hash, out _);
            }
        }
    }

    private async Task<Proof> CheckAsync(Believed now, ReadOnlyMemory<char> text)
    {
        Interlocked.Increment(ref validations);
        if (Parse(text) is not { } token) return new Proof(ProofFailure.Malformed);

        // What the token says of its issuer is not proven yet: it only chooses whose keys to prove it with. Two clusters
        // may well call themselves the same, so there can be several.
        var failure = ProofFailure.UnknownIssuer;
        foreach (var issuer in now.Issuers)
        {
            if (issuer.Definition.Issuer is { } stated && stated != token.Issuer) continue;
            if (issuer.Reviews is { } reviews)
            {
                var reviewed = await CheckAsync(issuer.Definition, reviews, token);
                if (reviewed.Caller is not null) return reviewed;
                if (reviewed.Failure > failure) failure = reviewed.Failure.Value;
                continue;
            }

            var keys = await issuer.Keys.GetAsync(CancellationToken.None);
            if (keys is not null && (issuer.Definition.Issuer ?? keys.Issuer) != token.Issuer) continue;

            var proof = keys is null ? new Proof(ProofFailure.KeysUnavailable) : await CheckAsync(issuer, keys, token);
            if (proof.Caller is not null) return proof;

            // The failures stand in the order of the checks: of several, the one that came furthest says most.
            if (proof.Failure > failure) failure = proof.Failure.Value;
        }

        return new Proof(failure);
    }

    private async Task<Proof> CheckAsync(BelievedIssuer issuer, KeySet keys, JsonWebToken token)
    {
        if (!issuer.Definition.Algorithms.Contains(token.Alg, StringComparer.Ordinal)) return new Proof(ProofFailure.AlgorithmNotAllowed);
        var failure = await CheckSignatureAsync(issuer, keys, token);
        if (failure is ProofFailure.UnknownKey or ProofFailure.BadSignature
            && await issuer.Keys.LookAgainAsync(CancellationToken.None) is { } newer && newer != keys)
            failure = await CheckSignatureAsync(issuer, newer, token);
        return failure is { } why ? new Proof(why) : CheckContent(issuer.Definition, token);
    }

    // What can be seen to be wrong is not sent to the cluster; what only the cluster can tell, it is asked, last.
    private async Task<Proof> CheckAsync(IdentityIssuer issuer, TokenReviews reviews, JsonWebToken token)
    {
        if (!issuer.Algorithms.Contains(token.Alg, StringComparer.Ordinal)) return new Proof(ProofFailure.AlgorithmNotAllowed);
        if (!token.Audiences.Contains(issuer.Audience, StringComparer.Ordinal)) return new Proof(ProofFailure.WrongAudience);
        var proof = CheckContent(issuer, token);
        return proof.Caller is { } said && await reviews.AskAsync(token.EncodedToken, said) is { } failure ? new Proof(failure) : proof;
    }

    private static async Task<ProofFailure?> CheckSignatureAsync(BelievedIssuer issuer, KeySet keys, JsonWebToken token)
    {
        if (keys.Find(token.Kid) is not { } key) return ProofFailure.UnknownKey;
        var result = await Handler.ValidateTokenAsync(token, new TokenValidationParameters
        {
            ValidIssuer = issuer.Definition.Issuer ?? keys.Issuer,
            ValidAudience = issuer.Definition.Audience,
            ValidAlgorithms = issuer.Definition.Algorithms,
            IssuerSigningKeyResolver = (_, _, _, _) => [key],
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

    private Proof CheckContent(IdentityIssuer issuer, JsonWebToken token)
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
            var caller = new Caller(issuer.Name, TokenClaims.OneOf(token.Subject), claims, end) { ProofHash = hasher.Hash(token.EncodedToken) };
            if (issuer.SpiffeId is not { } template) return new Proof(caller);
            return SpiffeIds.Expected(template, caller) is { } id ? new Proof(caller with { SpiffeId = id }) : new Proof(ProofFailure.CertificateMissing);
        }
        catch (JsonException)
        {
            return new Proof(ProofFailure.Malformed);
        }
    }

    private static JsonWebToken? Parse(ReadOnlyMemory<char> text)
    {
        try
        {
            var token = new JsonWebToken(text);

            // Encrypted tokens are nobody's here. RFC 7515, 4.1.11: who does not understand what "crit" lists must refuse.
            if (token.IsEncrypted || token.TryGetHeaderValue<object>("crit", out _)) return null;

            // Read here because these are parsed when first asked for, and throw then.
            _ = (token.Alg, token.Kid, token.Issuer, token.Subject, token.ValidTo, token.ValidFrom);
            return token;
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            // The library throws a dozen types for text that is no token; all mean the same.
            return null;
        }
    }

    private sealed record KeySource(string Name, Uri? Authority, string? JwksFile, string? CaFile, string? BearerTokenFile);

    private sealed record BelievedIssuer(IdentityIssuer Definition, KeySource Source, SigningKeys Keys, TokenReviews? Reviews);

    private sealed record Believed(IReadOnlyList<BelievedIssuer> Issuers, ProvenTokens Proven)
    {
        public ConcurrentDictionary<TokenHash, Task<Proof>> UnderWay { get; } = new();

        public TimeSpan RememberFor(Caller caller) =>
            Issuers.First(issuer => issuer.Definition.Name == caller.Issuer).Definition.TokenReview?.RememberFor ?? ProvenTokens.Longest;
    }
}
