using System.Collections.Concurrent;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Ledger;
using Broker.Core.Sessions;

namespace Broker.Api.Authentication.BrokerTokens;

/// <summary>
/// Proves pipelines by their sessions. A proven session is remembered for half a second and forgotten when the ledger says
/// that it was revoked: so a revoked one stops within a second even where that signal is lost.
/// </summary>
internal sealed class SessionTokens : IDisposable
{
    private const int Most = 20_000;
    private static readonly TimeSpan RememberedFor = TimeSpan.FromMilliseconds(500);

    private readonly SessionLedger ledger;
    private readonly SessionSealer sealer;
    private readonly ICatalog catalog;
    private readonly ProofHasher hasher;
    private readonly TimeProvider time;
    private readonly IDisposable listening;
    private readonly ConcurrentDictionary<string, Remembered> byId = new(StringComparer.Ordinal);

    // Whoever can write the ledger and has an ended session's token does not bring it back where its end was heard of (law L14).
    private readonly ConcurrentDictionary<string, bool> ended = new(StringComparer.Ordinal);

    public SessionTokens(SessionLedger ledger, SessionSealer sealer, ICatalog catalog, ProofHasher hasher, TimeProvider time)
    {
        (this.ledger, this.sealer, this.catalog, this.hasher, this.time) = (ledger, sealer, catalog, hasher, time);
        listening = ledger.Listen(End);
    }

    /// <summary>Whose session it is.</summary>
    public async ValueTask<Proof> ProveAsync(ReadOnlyMemory<char> text, CancellationToken cancellation)
    {
        if (!SessionToken.TryRead(text.Span, out var token)) return new Proof(ProofFailure.SessionUnknown);
        if (byId.TryGetValue(token.Id, out var known) && time.GetElapsedTime(known.At) < RememberedFor)
            return Judge(known.Session, known.Caller, token);

        var at = time.GetTimestamp();
        try
        {
            if (await ledger.ReadAsync(token.Id, cancellation) is not var (stored, left)) return new Proof(ProofFailure.SessionUnknown);
            if (ended.ContainsKey(token.Id) || sealer.Read(token.Id, stored) is not { } session || !session.IsBy(token)) return new Proof(ProofFailure.SessionUnknown);
            var caller = session.Caller(token.Id, time.GetUtcNow() + left, hasher.Hash(text.Span));
            if (byId.Count >= Most) byId.Clear();
            byId[token.Id] = new(session, caller, at);
            return Judge(session, caller, token);
        }
        catch (LedgerException)
        {
            return new Proof(ProofFailure.SessionsUnavailable);
        }
    }

    /// <summary>Whether a session is surely over; a ledger that does not answer ends nobody's.</summary>
    public async ValueTask<bool> IsOverAsync(string id, CancellationToken cancellation)
    {
        try
        {
            return ended.ContainsKey(id) || await ledger.ReadAsync(id, cancellation) is not var (stored, _) || sealer.Read(id, stored) is null;
        }
        catch (LedgerException)
        {
            return false;
        }
    }

    public void Dispose() => listening.Dispose();

    private void End(string id)
    {
        if (ended.Count >= Most) ended.Clear();
        ended.TryAdd(id, true);
        byId.TryRemove(id, out _);
    }

    // An issuer that is no longer believed, or no longer given sessions, takes its sessions with it.
    private Proof Judge(Session session, Caller caller, SessionToken token) =>
        session.IsBy(token) && time.GetUtcNow() < caller.ExpiresAt
        && catalog.Current.Identity.Issuers.TryGetValue(session.Issuer, out var issuer) && issuer.Sessions
            ? new Proof(caller)
            : new Proof(ProofFailure.SessionUnknown);

    private sealed record Remembered(Session Session, Caller Caller, long At);
}
