using System.Collections.Concurrent;
using Broker.Api.Authentication.Kubernetes;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Identity;

namespace Broker.Api.Authentication;

/// <summary>
/// Finds out from a bearer token who asks. A proven token is remembered, by its hash, until it expires but never longer
/// than a minute, so that a pod's calls cost one signature check a minute and a withdrawn key takes effect soon. A swapped
/// catalog clears all remembered tokens.
/// </summary>
public sealed class CallerProver : IDisposable
{
    /// <summary>The longest token that is accepted, in characters.</summary>
    public const int MaxTokenLength = 16 * 1024;

    private const int MaxRemembered = 20_000;

    private readonly ICatalog catalog;
    private readonly TokenVerifier verifier;
    private readonly TimeProvider time;
    private readonly ILogger<CallerProver> log;
    private readonly Func<IdentityIssuer, SigningKeys> keysOf;
    private readonly Lock swapping = new();
    private volatile Believed believed;

    public CallerProver(ICatalog catalog, ProofHasher hasher, TimeProvider time, ILogger<CallerProver> log)
        : this(catalog, hasher, time, log, issuer => KeyFetching.Create(issuer, time, log))
    {
    }

    /// <param name="catalog">The issuers that are trusted.</param>
    /// <param name="hasher">Names tokens in the audit.</param>
    /// <param name="time">The clock.</param>
    /// <param name="log">Logs problems with keys.</param>
    /// <param name="keysOf">How to fetch an issuer's keys.</param>
    internal CallerProver(ICatalog catalog, ProofHasher hasher, TimeProvider time, ILogger<CallerProver> log, Func<IdentityIssuer, SigningKeys> keysOf)
    {
        (this.catalog, this.time, this.log, this.keysOf) = (catalog, time, log, keysOf);
        verifier = new(hasher, time);
        believed = new Believed([], new ProvenTokens(MaxRemembered, time));
        catalog.Swapped += Swap;
        Swap(catalog.Current);
    }

    /// <summary>How many tokens were checked in full since the start; all others were remembered.</summary>
    public long Validations => verifier.Checked;

    /// <summary>Finds out who a token proves. Completes synchronously when the token is remembered.</summary>
    public ValueTask<Proof> ProveAsync(ReadOnlyMemory<char> token, CancellationToken cancellation) => ProveAsync(token, "", cancellation);

    /// <param name="token">The token.</param>
    /// <param name="from">A key that stands for the address it came from; checks take turns by this key.</param>
    /// <param name="cancellation">Ends the wait.</param>
    internal ValueTask<Proof> ProveAsync(ReadOnlyMemory<char> token, string from, CancellationToken cancellation)
    {
        if (token.IsEmpty) return new(new Proof(ProofFailure.NoToken));
        return token.Length > MaxTokenLength ? new(new Proof(ProofFailure.TooLong)) : ProveAsync(TokenHash.Of(token.Span), token, from, cancellation);
    }

    /// <param name="hash">The token's hash.</param>
    /// <param name="token">The token, no longer than <see cref="MaxTokenLength"/>.</param>
    /// <param name="from">A key that stands for the address it came from; checks take turns by this key.</param>
    /// <param name="cancellation">Ends the wait.</param>
    internal ValueTask<Proof> ProveAsync(TokenHash hash, ReadOnlyMemory<char> token, string from, CancellationToken cancellation)
    {
        var now = believed;
        return now.Proven.TryRecall(hash, out var caller)
            ? new(new Proof(caller))
            : new(ProveOnceAsync(now, hash, token, from).WaitAsync(cancellation));
    }

    /// <summary>Who a token proves, if that is remembered.</summary>
    internal bool TryRecall(ReadOnlySpan<char> token, out Caller caller)
    {
        caller = null!;
        return token.Length is > 0 and <= MaxTokenLength && believed.Proven.TryRecall(TokenHash.Of(token), out caller);
    }

    /// <summary>Why a caller that an issuer's key once proved is no longer trusted; null while the key, and the <c>iss</c> of its token, are still the issuer's.</summary>
    internal async ValueTask<ProofFailure?> WhyNotByKeyAsync(string issuer, string thumbprint, Caller caller, CancellationToken cancellation)
    {
        if (believed.Issuers.FirstOrDefault(known => known.Definition.Name == issuer) is not { Reviews: null } found) return ProofFailure.UnknownIssuer;
        if (await found.Keys.GetAsync(cancellation) is not { } keys) return ProofFailure.KeysUnavailable;
        if (!keys.Has(thumbprint)) return ProofFailure.UnknownKey;
        return (found.Definition.Issuer ?? keys.Issuer) is not { } stated || caller.Claims["iss"].Any(iss => found.Definition.IsCalled(stated, iss))
            ? null
            : ProofFailure.UnknownIssuer;
    }

    /// <summary>
    /// Whether an issuer's tokens can be verified now: its keys are known, or it asks a cluster about each token (which need not let the broker
    /// have its keys), or it does not issue tokens.
    /// </summary>
    internal async ValueTask<bool> HasKeysAsync(string issuer, CancellationToken cancellation) =>
        believed.Issuers.FirstOrDefault(known => known.Definition.Name == issuer) is not { } found || await found.Keys.GetAsync(cancellation) is not null || found.Reviews is not null;

    /// <summary>Fetches every issuer's keys, so that the first caller need not wait; an issuer that is down is not waited for.</summary>
    public async Task WarmAsync(CancellationToken cancellation)
    {
        foreach (var issuer in believed.Issuers) await issuer.Keys.GetAsync(cancellation);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        catalog.Swapped -= Swap;
        foreach (var issuer in believed.Issuers) issuer.Reviews?.Dispose();
    }

    // Everything that a proof depends on changes in one step: a check that began under the old catalog is remembered, if at all,
    // in a cache that nobody reads any more.
    private void Swap(CatalogSnapshot snapshot)
    {
        lock (swapping)
        {
            // Keys that were fetched stay valid through a reload, even while the issuer is down.
            var before = believed.Issuers.ToDictionary(issuer => KeySource.Of(issuer.Definition), issuer => issuer.Keys);
            believed = new Believed(
                [.. snapshot.Identity.Issuers.Values.Select(definition => new BelievedIssuer(
                    definition,
                    before.GetValueOrDefault(KeySource.Of(definition)) ?? keysOf(definition),
                    ReviewsFor(definition)))],
                new ProvenTokens(MaxRemembered, time));
        }
    }

    // A client that is not kept may still be in use; it is disposed of when nobody uses it any more.
    private TokenReviews? ReviewsFor(IdentityIssuer definition) => definition.TokenReview is not { } review ? null
        : believed.Issuers.Select(issuer => issuer.Reviews).FirstOrDefault(reviews => reviews?.IsFor(definition) == true) ?? new TokenReviews(definition, review, time, log);

    // All callers that send the same token at the same time share one check, which none of them can cancel for the others.
    private Task<Proof> ProveOnceAsync(Believed now, TokenHash hash, ReadOnlyMemory<char> token, string from)
    {
        var mine = new TaskCompletionSource<Proof>(TaskCreationOptions.RunContinuationsAsynchronously);
        var shared = now.UnderWay.GetOrAdd(hash, mine.Task);
        if (shared == mine.Task) _ = RunAsync();
        return shared;

        // It is no longer under way when it is answered: whoever is refused and asks again at once has a check of its own.
        async Task RunAsync()
        {
            try
            {
                var proof = await CheckAsync();
                now.UnderWay.TryRemove(hash, out _);
                mine.SetResult(proof);
            }
            catch (Exception error)
            {
                now.UnderWay.TryRemove(hash, out _);
                mine.SetException(error);
            }
        }

        async ValueTask<Proof> CheckAsync()
        {
            // Another check of this token may have finished since we looked into the cache.
            if (now.Proven.TryRecall(hash, out var caller)) return new Proof(caller);
            var (proof, goodFor) = await verifier.CheckAsync(now.Issuers, token, from);
            if (proof.Caller is { } proven) now.Proven.Remember(hash, proven, goodFor);
            return proof;
        }
    }

    // The settings that decide which keys an issuer has: while they stay the same, its keys are kept.
    private sealed record KeySource(
        string Name, Uri? Authority, Uri? JwksUri, string? JwksFile, TokenReviewSettings? TokenReview, string? CaFile, string? BearerTokenFile, TimeSpan GoodFor)
    {
        public static KeySource Of(IdentityIssuer issuer) => new(
            issuer.Name, issuer.Authority, issuer.JwksUri, issuer.JwksFile, issuer.TokenReview, issuer.CaFile, issuer.BearerTokenFile, issuer.KeysGoodFor);
    }

    private sealed record Believed(IReadOnlyList<BelievedIssuer> Issuers, ProvenTokens Proven)
    {
        public ConcurrentDictionary<TokenHash, Task<Proof>> UnderWay { get; } = new();
    }
}
