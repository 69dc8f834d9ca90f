using BitFaster.Caching.Lru;
using Broker.Api.Authentication.Certificates;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Broker.Core.Sessions;

namespace Broker.Api.Authentication.BrokerTokens;

/// <summary>
/// Proves pipelines by their sessions. The broker remembers a proven session for half a second and forgets it when the ledger says
/// that it was revoked, so a revoked session stops working within a second even if that signal is lost. A session proves no more than the
/// token it was opened with would prove if it did not expire: everything that the token depended on is checked again each time.
/// </summary>
internal sealed class SessionTokens : IDisposable
{
    private const int Most = 20_000;
    private static readonly TimeSpan RememberedFor = TimeSpan.FromMilliseconds(500);

    private readonly SessionLedger ledger;
    private readonly SessionSealer sealer;
    private readonly ICatalog catalog;
    private readonly CallerProver prover;
    private readonly ProofHasher hasher;
    private readonly TimeProvider time;
    private readonly TokenReads reads;
    private readonly IDisposable listening;
    private readonly FastConcurrentLru<string, Remembered> byId = new(Environment.ProcessorCount, Most, StringComparer.Ordinal);

    // Somebody who can write to the ledger and has an ended session's token cannot revive the session on a replica that was told of its end (law L14).
    private readonly FastConcurrentLru<string, bool> ended = new(Environment.ProcessorCount, Most, StringComparer.Ordinal);

    public SessionTokens(SessionLedger ledger, SessionSealer sealer, ICatalog catalog, CallerProver prover, ProofHasher hasher, TimeProvider time)
    {
        (this.ledger, this.sealer, this.catalog, this.prover, this.hasher, this.time) = (ledger, sealer, catalog, prover, hasher, time);
        reads = new(time);
        listening = ledger.Listen(End);
    }

    /// <summary>The caller that a session's token proves.</summary>
    /// <param name="text">The token.</param>
    /// <param name="from">A key that stands for the address it came from.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async ValueTask<Proof> ProveAsync(ReadOnlyMemory<char> text, string from, CancellationToken cancellation)
    {
        if (!SessionToken.TryRead(text.Span, out var token)) return new Proof(ProofFailure.SessionUnknown);
        if (byId.TryGet(token.Id, out var known) && known.At.Age(time) < RememberedFor)
            return await JudgeAsync(known.Session, known.Caller, token, cancellation);

        var at = Moment.Now(time);
        if (!await reads.EnterAsync(from, token.Id)) return new Proof(ProofFailure.TooManyChecks);
        try
        {
            if (await ledger.ReadAsync(token.Id, cancellation) is not var (stored, left)) return new Proof(ProofFailure.SessionUnknown);
            if (ended.TryGet(token.Id, out _) || sealer.Read(token.Id, stored) is not { } session || !session.IsBy(token)) return new Proof(ProofFailure.SessionUnknown);
            var cluster = catalog.Current.Identity.Issuers.GetValueOrDefault(session.Issuer)?.Cluster;
            var caller = session.Caller(token.Id, time.GetUtcNow() + left, hasher.Hash(text.Span), cluster);
            byId.AddOrUpdate(token.Id, new(session, caller, at));
            return await JudgeAsync(session, caller, token, cancellation);
        }
        catch (LedgerException)
        {
            return new Proof(ProofFailure.SessionsUnavailable);
        }
        finally
        {
            reads.Leave();
        }
    }

    public void Dispose() => listening.Dispose();

    private void End(string id)
    {
        ended.AddOrUpdate(id, true);
        byId.TryRemove(id);
    }

    // Sessions end with an issuer that is no longer trusted or no longer given sessions, with an issuer whose tokens now have
    // another audience, and with a key that the issuer has withdrawn. Sessions must also present the certificate that the issuer requires.
    private async ValueTask<Proof> JudgeAsync(Session session, Caller caller, SessionToken token, CancellationToken cancellation)
    {
        if (!session.IsBy(token) || time.GetUtcNow() >= caller.ExpiresAt
            || !catalog.Current.Identity.Issuers.TryGetValue(session.Issuer, out var issuer)
            || !SessionDesk.MayOpen(issuer, caller)
            || session.SigningKey is not { } key)
            return new Proof(ProofFailure.SessionUnknown);
        if (await prover.WhyNotByKeyAsync(issuer.Name, key, caller, cancellation) is { } why)
            return new Proof(why.MayBeGood() ? why : ProofFailure.SessionUnknown);
        return SpiffeIds.Bind(issuer, caller) is { } bound ? new Proof(bound) : new Proof(ProofFailure.CertificateMissing);
    }

    private sealed record Remembered(Session Session, Caller Caller, Moment At);
}
