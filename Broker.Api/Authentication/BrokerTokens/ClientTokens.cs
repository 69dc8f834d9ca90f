using System.Net;
using BitFaster.Caching.Lru;
using Broker.Api.Authentication.Certificates;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Broker.Core.Sessions;
using Broker.Core.Sessions.ClientTokens;

namespace Broker.Api.Authentication.BrokerTokens;

/// <summary>The caller that a client token proves, or why it proves none.</summary>
/// <param name="Proof">The caller, or why there is none.</param>
/// <param name="Live">The token; null when it proves nobody.</param>
internal readonly record struct ClientProof(Proof Proof, LiveToken? Live);

/// <summary>
/// Proves the callers of the Vault-compatible API by the tokens it gave them. A token depends on everything that its login depended on: the login's
/// proof is checked again for as long as it is valid, and the mount, the issuer and the secret id must still exist. A
/// proven token is remembered for half a second, and forgotten when the ledger says that it was revoked.
/// </summary>
internal sealed class ClientTokens : IDisposable
{
    private const int Most = 50_000;
    private static readonly TimeSpan RememberedFor = TimeSpan.FromMilliseconds(500);

    private readonly ClientTokenLedger ledger;
    private readonly CallerProver prover;
    private readonly ICatalog catalog;
    private readonly ProofHasher hasher;
    private readonly TimeProvider time;
    private readonly TokenReads reads;
    private readonly IDisposable listening;
    private readonly FastConcurrentLru<string, Remembered> byId = new(Environment.ProcessorCount, Most, StringComparer.Ordinal);

    // A writer to the ledger with a revoked token cannot revive it on a replica that was told of its end (law L14).
    private readonly FastConcurrentLru<string, bool> ended = new(Environment.ProcessorCount, Most, StringComparer.Ordinal);

    public ClientTokens(ClientTokenLedger ledger, CallerProver prover, ICatalog catalog, ProofHasher hasher, TokenReads reads, TimeProvider time)
    {
        (this.ledger, this.prover, this.catalog, this.hasher, this.reads, this.time) = (ledger, prover, catalog, hasher, reads, time);
        listening = ledger.Listen(End);
    }

    /// <summary>The caller that a token proves.</summary>
    /// <param name="context">The request's.</param>
    /// <param name="text">The token.</param>
    /// <param name="strictly">
    /// False: if the proof of its login cannot be checked right now, because an issuer or a cluster does not answer, its last result
    /// still holds; for calls that give nobody anything that they do not have.
    /// </param>
    public async ValueTask<ClientProof> ProveAsync(HttpContext context, string text, bool strictly)
    {
        if (!ClientTokenText.IsOne(text)) return Failed(ProofFailure.SessionUnknown);
        var id = ClientTokenText.IdOf(text);
        if (!byId.TryGet(id, out var known) || known.At.Age(time) >= RememberedFor)
        {
            var at = Moment.Now(time);
            if (!await reads.EnterAsync(ProofGate.FromOf(context), id)) return Failed(ProofFailure.TooManyChecks);
            try
            {
                if (await ledger.FindAsync(id, context.RequestAborted) is not { } live || ended.TryGet(id, out _) || live.Token.LastEnd + SessionSealer.ClocksApart <= time.GetUtcNow() || !await HasParentAsync(live.Token, context.RequestAborted))
                    return Failed(ProofFailure.SessionUnknown);
                var cluster = catalog.Current.Identity.Issuers.GetValueOrDefault(live.Token.Issuer)?.Cluster;
                var endsAt = time.GetUtcNow() + live.EndsIn;

                // Read again, and the same as before: the caller is the same too, except for its end.
                known = known is not null && ReferenceEquals(known.Live.Token, live.Token) && known.Caller.Cluster == cluster
                    ? known with { Live = live, Caller = known.Caller with { ExpiresAt = endsAt }, At = at }
                    : new(live, live.Token.Caller(endsAt, hasher.Hash(text), cluster), at, live.Token.Proof is { Length: > 0 and <= CallerProver.MaxTokenLength } proven ? TokenHash.Of(proven) : null);
                byId.AddOrUpdate(id, known);
            }
            catch (LedgerException)
            {
                return Failed(ProofFailure.SessionsUnavailable);
            }
            finally
            {
                reads.Leave();
            }
        }

        var left = known.Live.EndsIn - known.At.Age(time);
        if (catalog.Current.VaultApi.SecretIdOf(known.Live.Token.Mount, known.Live.Token.SecretId)?.ExpiresAt - time.GetUtcNow() is { } secret && secret < left) left = secret; // it ends with that
        if (left <= TimeSpan.Zero) return Failed(ProofFailure.SessionUnknown);
        var (caller, failure) = await JudgeAsync(context, known, context.RequestAborted);
        if (failure is { } why && (strictly || !why.MayBeGood())) return Failed(why);
        var proof = ProofGate.Certified(context, new Proof(caller));
        return new(proof, proof.Caller is null ? null : known.Live with { EndsIn = left });
    }

    /// <summary>Forgets a token that was changed here.</summary>
    public void Forget(string id) => byId.TryRemove(id);

    public void Dispose() => listening.Dispose();

    // One that another made ends with that one, however it ended.
    private async ValueTask<bool> HasParentAsync(ClientToken token, CancellationToken cancellation) =>
        token.Parent is not { } parent || (!ended.TryGet(parent, out _) && await ledger.FindAsync(parent, cancellation) is not null);

    private void End(string id)
    {
        ended.AddOrUpdate(id, true);
        byId.TryRemove(id);
    }

    // Removing a mount, issuer or secret id from the configuration ends its tokens, and so does an issuer whose tokens now have another audience or
    // name. A required client certificate is required with tokens too.
    private async ValueTask<(Caller Caller, ProofFailure? Failure)> JudgeAsync(HttpContext context, Remembered known, CancellationToken cancellation)
    {
        var (token, caller) = (known.Live.Token, known.Caller);
        var current = catalog.Current;
        if (!current.VaultApi.AuthMounts.TryGetValue(token.Mount, out var mount)) return (caller, ProofFailure.SessionUnknown);
        if (mount.Type == AuthMountType.AppRole) return (caller, mount.Name == token.Issuer && IsListed(current, token, context.Connection.RemoteIpAddress) ? null : ProofFailure.SessionUnknown);
        if (mount.Issuer != token.Issuer || !current.Identity.Issuers.TryGetValue(token.Issuer, out var issuer)) return (caller, ProofFailure.SessionUnknown);
        if (!SessionDesk.Vouches(issuer, caller)) return (caller, ProofFailure.SessionUnknown);
        if (SpiffeIds.Bind(issuer, caller) is not { } bound) return (caller, ProofFailure.CertificateMissing);
        return (bound, await LookAgainAsync(token, caller, known.ProofHash, ProofGate.FromOf(context), cancellation));
    }

    // Another secret id under the same name is another one, and where it may be used from is asked at each use, not at the login alone.
    private bool IsListed(CatalogSnapshot current, ClientToken token, IPAddress? from) =>
        current.VaultApi.SecretIdOf(token.Mount, token.SecretId) is { } secret && (token.SecretHash ?? secret.Hash) == secret.Hash && secret.IsGood(time.GetUtcNow(), from);

    // A proof that expired took nothing away: that is what the token is for. From then on its key must still be its issuer's.
    private async ValueTask<ProofFailure?> LookAgainAsync(ClientToken token, Caller caller, TokenHash? hash, string from, CancellationToken cancellation)
    {
        if (token.Proof is { } proof && time.GetUtcNow() < token.ProofEndsAt)
        {
            var failure = (await (hash is { } known ? prover.ProveAsync(known, proof.AsMemory(), from, cancellation) : prover.ProveAsync(proof.AsMemory(), from, cancellation))).Failure;
            if (failure != ProofFailure.Expired) return failure;
        }

        return token.SigningKey is { } key ? await prover.WhyNotByKeyAsync(token.Issuer, key, caller, cancellation) : null;
    }

    private static ClientProof Failed(ProofFailure failure) => new(new Proof(failure), null);

    // The hash is that of its login's proof, which is looked for at each call; null: it has none.
    private sealed record Remembered(LiveToken Live, Caller Caller, Moment At, TokenHash? ProofHash);
}
