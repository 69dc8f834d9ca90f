using Broker.Core.Audit;
using Broker.Core.Audit.Reading;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Leases.Claims;
using Broker.Core.Leases.Holders;
using Broker.Core.Leases.Logins;
using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Core.Leases.Handles;

/// <summary>The result of a call on a handle.</summary>
internal readonly record struct HandleOutcome(HandleTerm? Term, Refusal? Refusal)
{
    /// <summary>The grant of the read that made it; null for other calls.</summary>
    public Grant? Grant { get; init; }

    public static implicit operator HandleOutcome(HandleTerm term) => new(term, null);

    public static implicit operator HandleOutcome(Refusal refusal) => new(null, refusal);
}

/// <summary>
/// Serves clients with their own notion of leases (Vault's). A read makes a claim; a renewal keeps the holder alive and never moves
/// it, because the client keeps using the login that it read. Only reads ever wait for an issuer.
/// </summary>
internal sealed class HandleDesk(
    ICatalog catalog, CredentialDesk credentials, HolderDesk holders, LeaseLogins logins, HandleLedger ledger, DeskAudit audit, TimeProvider time)
{
    // A renewal for less than this writes nothing: the record outlives the time that the client was told by more (HandleLedger).
    private static readonly TimeSpan Noted = TimeSpan.FromSeconds(1);

    // What a client is told before it is refused, when nothing has told it yet that its time is over: at a refusal out of the blue some clients renew without a
    // pause until that time is nearly over (openbao/openbao#3747, hashicorp/vault#20645). At less than their grace they read again.
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(1);

    // Each but the last found a change that another replica had made just before.
    private const int MostAttempts = 10;

    // Each takes some round trips, and one client may have thousands.
    private const int RevokedAtOnce = 32;

    /// <summary>Makes a claim, and returns a handle for the holder.</summary>
    /// <param name="ask">The request.</param>
    /// <param name="path">The beginning of the id.</param>
    /// <param name="token">The token of the read: the handle ends with the token.</param>
    /// <param name="cancellation">The caller left.</param>
    public async ValueTask<HandleOutcome> ReadAsync(Ask ask, string path, string token, CancellationToken cancellation)
    {
        HandleTerm? term = null;
        var outcome = await credentials.ClaimAsync(ask with { Lasts = true }, cancellation, async grant =>
        {
            try
            {
                // What was claimed is recorded, whoever leaves.
                (var settled, term) = await HandleOfAsync(ask, path, token, grant, CancellationToken.None);
                return settled;
            }
            catch (LedgerException)
            {
                return Refusals.LedgerUnavailable();
            }
        });
        if (outcome.Grant is { } had) return new HandleOutcome(term, null) { Grant = had };
        if (term is not null) await ForgetAsync(term.Handle.Id);
        return outcome.Refusal!;
    }

    private async ValueTask<(Outcome Outcome, HandleTerm? Term)> HandleOfAsync(Ask ask, string path, string token, Grant grant, CancellationToken cancellation)
    {
        var life = logins.Find(grant.Lease.Id)?.Life ?? grant.LeaseEndsIn;

        // A role that was taken out meanwhile is as it was granted.
        var holderTtl = catalog.Current.Roles.TryGetValue(ask.Role, out var role) ? role.HolderTtl : grant.HolderEndsIn;
        var duration = HandleTerms.DurationOf(holderTtl, life);

        // The holder's connections are counted until the handle's end. The claim has ensured that, unless it was answered from memory.
        if (grant.HolderEndsIn < duration)
        {
            var stayed = await holders.StayAsync(ask.Caller, grant.Holder.Id, ask.Origin, cancellation);
            if (stayed.Grant is not { } longer) return (stayed, null);
            grant = grant with { Holder = longer.Holder, HolderEndsIn = longer.HolderEndsIn };
        }

        var id = Handle.NewId(path);
        if (HandleTerms.FirstEnd(id, duration, grant.LeaseEndsIn, grant.Leaving) is not var (ends, last))
            return (Refusals.IssuerUnavailable("The lease ends within the second, and the next one is not issued yet. Try again shortly."), null);
        var handle = new Handle(id, ask.Caller.OwnerHash, grant.Holder.Id, grant.Lease.Id, duration, NowOf(grant), null, ends, NowOf(grant) + last);
        await ledger.PutAsync(handle, ends, token, ask.Caller, cancellation);
        return (grant, new(handle, ends));
    }

    // Nobody was told of it: the holder is not to stay for it.
    private async ValueTask ForgetAsync(string id)
    {
        try
        {
            await ledger.DropAsync(id, CancellationToken.None);
        }
        catch (LedgerException)
        {
            // It ends by itself.
        }
    }

    /// <summary>Claims for a client that reads a static role: it has nothing to renew, and comes again when the password changes.</summary>
    public async ValueTask<Outcome> ReadStaticAsync(Ask ask, Rotation rotation, CancellationToken cancellation)
    {
        // Its connections are counted until then.
        return await credentials.ClaimAsync(ask, cancellation, async grant =>
        {
            if (grant.HolderEndsIn >= StaticTerms.LeftOf(rotation, grant)) return grant;
            var stayed = await holders.StayAsync(ask.Caller, grant.Holder.Id, ask.Origin, CancellationToken.None);
            return stayed.Grant is { } longer ? grant with { Holder = longer.Holder, HolderEndsIn = longer.HolderEndsIn } : stayed;
        });
    }

    /// <summary>Renews a handle's holder.</summary>
    /// <param name="caller">The handle's owner.</param>
    /// <param name="id">The handle.</param>
    /// <param name="increment">How long it is wanted for; zero: as long as it was first given.</param>
    /// <param name="origin">Where the request came from.</param>
    /// <param name="cancellation">The caller left.</param>
    public async ValueTask<HandleOutcome> RenewAsync(Caller caller, string id, TimeSpan increment, Origin origin, CancellationToken cancellation)
    {
        try
        {
            // A handle that this replica knows need not be read first: the ledger says whether it is still the same.
            var (handle, isFresh) = ledger.Recall(id) is var (known, isNew) ? (known, isNew) : ((await ledger.FindAsync(id, cancellation))?.Handle, true);
            if (handle is null || handle.Owner != caller.OwnerHash) return await RefuseAsync(caller, id, Unknown(), origin, cancellation);
            var stayed = await holders.StayAsync(caller, handle.Holder, origin, cancellation);

            // From here on it is carried out and recorded, whoever leaves.
            var (outcome, term) = stayed.Grant is { } grant ? await RenewedAsync(handle, isFresh, grant, increment, CancellationToken.None) : (stayed, null);
            if (outcome.Refusal?.Code is RefusalCode.HolderUnknown) return await RefuseAsync(caller, id, Unknown(), origin, CancellationToken.None);
            return (await holders.RecordStayAsync(caller, handle.Holder, origin, outcome, CancellationToken.None)).Refusal is { } refusal ? refusal : term!;
        }
        catch (LedgerException)
        {
            return await RefuseAsync(caller, id, Refusals.LedgerUnavailable(), origin, CancellationToken.None);
        }
    }

    private async ValueTask<(Outcome Outcome, HandleTerm? Term)> RenewedAsync(Handle handle, bool isFresh, Grant grant, TimeSpan increment, CancellationToken cancellation)
    {
        var now = NowOf(grant);
        for (var attempt = 0; attempt < MostAttempts; attempt++)
        {
            if ((TermOf(handle, grant, increment) ?? FarewellOf(handle, grant, increment)) is not { } term) return (AtItsEnd(), null);
            if (isFresh && now - handle.RenewedAt < Noted && handle.Given == term.EndsIn && handle.Until == term.Handle.Until) return (grant, term);
            var renewed = term.Handle with { RenewedAt = now, Given = term.EndsIn };
            if (await ledger.RenewAsync(handle, renewed, term.EndsIn, cancellation) is not { } stands) return (Unknown(), null);
            if (ReferenceEquals(stands, renewed)) return (grant, term with { Handle = renewed });
            (handle, isFresh) = (stands, true); // another replica renewed it meanwhile
        }

        return (Refusals.LedgerUnavailable(), null);
    }

    /// <summary>Looks up a handle of the caller.</summary>
    public async ValueTask<HandleOutcome> LookUpAsync(Caller caller, string id, CancellationToken cancellation)
    {
        try
        {
            return await FindAsync(caller, id, cancellation) is { } found ? found : Unknown();
        }
        catch (LedgerException)
        {
            return Refusals.LedgerUnavailable();
        }
    }

    /// <summary>Ends a handle of the caller, and its holder with the last one. Null when done, or when there was none, which is on record too.</summary>
    public async ValueTask<Refusal?> RevokeAsync(Caller caller, string id, Origin origin, CancellationToken cancellation)
    {
        try
        {
            if (await FindAsync(caller, id, cancellation) is { Handle: var handle } && await ledger.DropAsync(id, cancellation)) return await GiveUpAsync(caller, handle, origin, cancellation);
            var record = DeskAudit.Of(AuditAction.Release, caller, Unknown(), origin, time) with { HolderId = id, Detail = "The caller has no such lease: nothing was given up." };
            return (await audit.WriteAsync(record, default, cancellation)).Refusal;
        }
        catch (LedgerException)
        {
            return (await RefuseAsync(caller, id, Refusals.LedgerUnavailable(), origin, CancellationToken.None, AuditAction.Release)).Refusal;
        }
    }

    private async ValueTask<Refusal?> GiveUpAsync(Caller caller, Handle handle, Origin origin, CancellationToken cancellation)
    {
        if (await ledger.AnyOfHolderAsync(handle.Holder, cancellation))
        {
            // No holder is named where holders are looked for: none left.
            var record = DeskAudit.Of(AuditAction.Release, caller, null, origin, time) with { LeaseId = handle.Lease, Detail = $"{HolderQuery.OneOfSeveral} of holder {handle.Holder}, which stays for the others." };
            return (await audit.WriteAsync(record, default, cancellation)).Refusal;
        }

        var refusal = await holders.ReleaseAsync(caller, handle.Holder, origin, cancellation);
        return refusal?.Code is RefusalCode.HolderUnknown ? null : refusal;
    }

    /// <summary>Ends all handles of the caller that were read with a token. Why not, when some were left to their own ends.</summary>
    public async ValueTask<Refusal?> RevokeAllOfAsync(Caller caller, string token, Origin origin, CancellationToken cancellation)
    {
        Refusal? first = null;
        try
        {
            foreach (var some in (await ledger.OfTokenAsync(token, cancellation)).Chunk(RevokedAtOnce))
            {
                var found = (await Task.WhenAll(some.Select(id => FindAsync(caller, id, cancellation).AsTask()))).OfType<HandleTerm>();
                foreach (var refusal in await Task.WhenAll(found.Select(term => term.Handle).GroupBy(handle => handle.Holder, StringComparer.Ordinal).Select(GiveUpAllAsync))) first ??= refusal;
                // The others would wait for the same, one after the other.
                if (first is { Code: RefusalCode.LedgerUnavailable or RefusalCode.AuditUnavailable }) return first;
            }

            return first;
        }
        catch (LedgerException)
        {
            return Refusals.LedgerUnavailable();
        }

        // One after the other: the holder leaves with its last.
        async Task<Refusal?> GiveUpAllAsync(IEnumerable<Handle> ofHolder)
        {
            Refusal? last = null;
            foreach (var handle in ofHolder)
            {
                if (await ledger.DropAsync(handle.Id, cancellation)) last = await GiveUpAsync(caller, handle, origin, cancellation) ?? last;
            }

            return last;
        }
    }

    // The time that it is given now; null: it is at its end.
    private static HandleTerm? TermOf(Handle handle, Grant grant, TimeSpan increment)
    {
        // Another client of its pod has read again, and the holder is on the next lease.
        if (grant.Lease.Id != handle.Lease) return null;
        var wanted = increment > TimeSpan.Zero ? increment : handle.Duration;
        var most = handle.Duration;
        if (HandleTerms.IsCurrent(grant, handle.Duration))
        {
            handle = handle with { Until = null }; // its issuer was away, and is back
        }
        else
        {
            // An end that is recorded already is this handle's, unless the lease never had such an end.
            var until = handle.Until is { } end && end <= grant.Lease.ExpiresAt ? end : NowOf(grant) + HandleTerms.LastEnd(handle.Id, handle.Duration, grant.LeaseEndsIn);
            handle = handle with { Until = until };
            most = TimeSpan.FromSeconds(Math.Floor((until - NowOf(grant)).TotalSeconds));
            if (most <= TimeSpan.Zero) return null;
        }

        return wanted > most ? new(handle, most, wanted) : new(handle, wanted);
    }

    // Null: it was told already, by this or by shorter and shorter times.
    private static HandleTerm? FarewellOf(Handle handle, Grant grant, TimeSpan increment) =>
        handle.Given > Farewell && (handle.Until is null || grant.Lease.Id != handle.Lease)
            ? new(handle with { Until = NowOf(grant) + Farewell }, Farewell, increment > TimeSpan.Zero ? increment : handle.Duration)
            : null;

    private async ValueTask<HandleTerm?> FindAsync(Caller caller, string id, CancellationToken cancellation) =>
        await ledger.FindAsync(id, cancellation) is { } found && found.Handle.Owner == caller.OwnerHash ? found : null;

    private async ValueTask<HandleOutcome> RefuseAsync(Caller caller, string id, Refusal refusal, Origin origin, CancellationToken cancellation, AuditAction action = AuditAction.Renew)
    {
        var record = DeskAudit.Of(action, caller, refusal, origin, time) with { HolderId = id };
        return (await audit.WriteAsync(record, refusal, cancellation)).Refusal!;
    }

    // By the ledger's clock.
    private static DateTimeOffset NowOf(Grant grant) => grant.Lease.ExpiresAt - grant.LeaseEndsIn;

    private static Refusal Unknown() => new(RefusalCode.HolderUnknown, "You have no such lease: it has ended or was revoked. Read again.");

    private static Refusal AtItsEnd() => new(RefusalCode.LeaseUnknown, "The lease has reached its end and cannot be extended. Read again.");
}
