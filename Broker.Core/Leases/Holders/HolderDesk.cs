using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Leases.Claims;
using Broker.Core.Ledger;
using Broker.Core.Limits;
using Broker.Core.Model;

namespace Broker.Core.Leases.Holders;

/// <summary>Renews and releases holders.</summary>
internal sealed class HolderDesk(
    ICatalog catalog, SharedLedger ledger, CredentialDesk credentials, RememberedGrants remembered, DeskAudit audit, CallerShares shares, WaitingSettings waiting, BrokerMetrics metrics, TimeProvider time)
{
    // A call to the ledger is given up after three seconds; the rest is for what the replica heard of its time to be on its way.
    private static readonly TimeSpan ReleasedWithin = TimeSpan.FromSeconds(4);

    /// <summary>Renews a holder. When its lease runs out it is moved to the next one, and the grant says so.</summary>
    /// <param name="caller">The holder's owner.</param>
    /// <param name="holder">The holder.</param>
    /// <param name="origin">Where the request came from.</param>
    /// <param name="cancellation">The caller left.</param>
    /// <param name="lease">
    /// The lease that it uses, as far as it knows; null when it does not say. If it was moved in the meantime but the answer
    /// was lost, it is told again; if it already uses its new lease, it is not, even when answered from a replica's memory.
    /// </param>
    /// <param name="allotment">
    /// The number of the last size that it was told and keeps to, 0: it was told none; null: it does not follow sizes.
    /// </param>
    public async ValueTask<Outcome> RenewAsync(
        Caller caller, string holder, Origin origin, CancellationToken cancellation, string? lease = null, long? allotment = null)
    {
        var refusal = Find(caller, holder, out var id, out var target);

        // Proving may take its time, and a reload may take the role out meanwhile.
        if (refusal is null && origin.Proof is { } proof) refusal = await proof.WhyNotAsync(cancellation) ?? Find(caller, holder, out id, out target);
        Outcome outcome = refusal is null ? await RenewAsync(caller, id, target with { Proof = origin.Proof, Lease = lease }, allotment, cancellation) : refusal;
        if (lease is not null && outcome.Grant is { } grant) outcome = grant with { Overlap = grant.Lease.Id == lease ? null : grant.Overlap ?? TimeSpan.Zero };
        return await RecordRenewalAsync(caller, holder, id, target, origin, outcome, cancellation);
    }

    /// <summary>
    /// Renews a holder that stays on its lease until that ends: for clients that cannot be given another login.
    /// It waits only for a ledger that lost something, and no rate limits it, because it takes nothing that it does not have.
    /// It is not recorded: the desk that asks for it does that with its own outcome (<see cref="RecordStayAsync"/>).
    /// </summary>
    public async ValueTask<Outcome> StayAsync(Caller caller, string holder, Origin origin, CancellationToken cancellation)
    {
        if (Find(caller, holder, out var id, out var target) is { } refusal) return refusal;
        var claim = ClaimOf(caller, id, target, ClaimKind.Stay);
        var outcome = await credentials.ReserveAndJoinAsync(target with { Proof = origin.Proof }, claim, time.GetTimestamp(), cancellation);
        if (outcome.Grant is { } grant) await shares.StaysAsync(caller, holder, grant.Counted, target.Role.HolderTtl, cancellation);
        return outcome;
    }

    /// <summary>Records what came of a renewal that began with <see cref="StayAsync"/>.</summary>
    public ValueTask<Outcome> RecordStayAsync(Caller caller, string holder, Origin origin, Outcome outcome, CancellationToken cancellation)
    {
        Find(caller, holder, out var id, out var target);
        return RecordRenewalAsync(caller, holder, id, target, origin, outcome, cancellation);
    }

    // Counted where it was known to be a holder of a role that there is: callers choose what they write.
    private async ValueTask<Outcome> RecordRenewalAsync(Caller caller, string holder, HolderId id, ClaimTarget? target, Origin origin, Outcome outcome, CancellationToken cancellation)
    {
        var told = await audit.WriteAsync(AuditAction.Renew, AskOf(caller, holder, id, origin), outcome, cancellation);
        if (target is not null) metrics.Stayed(target.Role.Name, told.Refusal is { } refusal ? WireName.Of(refusal.Code) : BrokerMetrics.Granted);
        return told;
    }

    /// <summary>
    /// Releases a holder; its connections become free at once. Null: done. Not on record before, as an order is: a release takes nothing from anybody else, and
    /// one whose record is missing is still held by the record.
    /// </summary>
    /// <param name="caller">The holder's owner.</param>
    /// <param name="holder">The holder.</param>
    /// <param name="origin">Where the request came from.</param>
    /// <param name="cancellation">The caller left.</param>
    /// <param name="mayHaveNone">Nobody said that there is such a holder: that there is none is not recorded.</param>
    public async ValueTask<Refusal?> ReleaseAsync(Caller caller, string holder, Origin origin, CancellationToken cancellation, bool mayHaveNone = false)
    {
        var refusal = Find(caller, holder, out _, out var target);
        ReleasedHolder? had = null;
        if (refusal is null)
        {
            try
            {
                had = await LeaveAsync(caller, holder, target, await shares.BeforeLeavingAsync(caller, holder, cancellation), cancellation);
                refusal = had is null ? Refusals.HolderUnknown() : null;
            }
            catch (LedgerException)
            {
                refusal = Refusals.LedgerUnavailable();
            }
        }

        if (mayHaveNone && refusal?.Code is RefusalCode.HolderUnknown or RefusalCode.NotAllowed) return refusal;
        return await audit.EndAsync(RecordOf(AuditAction.Release, caller, holder, target, had, origin), refusal, cancellation);
    }

    /// <summary>Ends any caller's holder for an operator; its connections become free at once. Null: done.</summary>
    public ValueTask<Refusal?> EndAsync(Caller caller, string holder, string reason, Origin origin, CancellationToken cancellation)
    {
        var current = catalog.Current;
        var target = HolderId.TryParse(holder, out var id) && current.Roles.TryGetValue(id.Role, out var role)
            ? new ClaimTarget(role, current.Databases[role.Database], current.Issuers[role.Issuer], Caller: null)
            : null;
        var order = RecordOf(AuditAction.End, caller, holder, target, null, origin) with { Reason = reason };
        if (target is null) return audit.EndAsync(order, Refusals.HolderUnknown(), cancellation);
        return audit.CarryOutAsync(
            order,
            async ordered =>
            {
                // The share of a holder that an operator ends is not known here: the holder's part becomes free at its end.
                var had = await LeaveAsync(caller, holder, target, null, cancellation);
                return (ordered with { LeaseId = had?.Lease, Connections = had?.Connections }, had is null ? Refusals.HolderUnknown() : null);
            },
            cancellation);
    }

    // Null: the ledger knows no such holder.
    private async ValueTask<ReleasedHolder?> LeaveAsync(Caller caller, string holder, ClaimTarget target, long? part, CancellationToken cancellation)
    {
        ReleasedHolder? had;
        long mark;
        try
        {
            (had, mark) = await ledger.Holders.ReleaseAsync(target.Database.Name, holder, cancellation, remembered.TimeAt(target.Database.Name) + ReleasedWithin);
        }
        catch (LedgerException)
        {
            // It may have been carried out.
            remembered.Doubt(target.Database.Name, holder);
            throw;
        }

        // A ledger that knows no such holder may have lost it, and another replica may remember it: its leaving is remembered as well.
        if (had is not null) remembered.Left(target.Database.Name, holder, mark, had.EndsIn);
        else remembered.LeftUnknown(target.Database.Name, holder, mark, target.Role.HolderTtl);
        await shares.LeaveAsync(caller, holder, part, CancellationToken.None);
        return had;
    }

    private AuditRecord RecordOf(AuditAction action, Caller caller, string holder, ClaimTarget? target, ReleasedHolder? had, Origin origin) => DeskAudit.Of(action, caller, null, origin, time) with
    {
        Role = target?.Role.Name,
        Database = target?.Database.Name,
        LeaseId = had?.Lease,
        HolderId = holder,
        Connections = had?.Connections,
    };

    /// <summary>The target of a caller's holder; null when it cannot be this caller's holder.</summary>
    public (string Database, string Pool)? FindPool(Caller caller, string holder) =>
        Find(caller, holder, out var id, out var target) is null ? (target.Database.Name, Pool.For(target.Role, caller, id).Key) : null;

    private async ValueTask<Outcome> RenewAsync(Caller caller, HolderId id, ClaimTarget target, long? allotment, CancellationToken cancellation)
    {
        var claim = ClaimOf(caller, id, target, ClaimKind.Renew) with { Allotment = allotment };
        // A limited share never counts more meanwhile than it may have in the end.
        if (allotment is not null)
        {
            claim = claim with
            {
                Want = !shares.Limit(caller, id.Value) ? target.Role.Connections.Max : remembered.Find(target.Database.Name, id.Value)?.Most ?? claim.Want,
            };
        }

        return await credentials.WithinSharesAsync(caller, target, claim, time.GetTimestamp(), cancellation);
    }

    private Claim ClaimOf(Caller caller, HolderId id, ClaimTarget target, ClaimKind kind) => new(
        id.Value,
        ClaimMaker.TermsOf(target.Role),
        Pool.For(target.Role, caller, id).Key,
        target.Role.Connections.Default,
        target.Role.Connections.Min,
        waiting.Default,
        TimeSpan.Zero,
        kind,
        caller.DisplayName);

    // The id alone tells the owner; the holder of another caller is as unknown as one that does not exist (law L11). A caller that makes up an id of a
    // role learns nothing of it: an unknown role and a forbidden one are answered alike.
    private Refusal? Find(Caller caller, string holder, out HolderId id, out ClaimTarget target)
    {
        target = null!;
        if (!HolderId.TryParse(holder, out id) || !id.BelongsTo(caller)) return Refusals.HolderUnknown();
        var current = catalog.Current;
        if (!current.Roles.TryGetValue(id.Role, out var role) || !role.MayBeHadBy(caller)) return Refusals.NotAllowed(id.Role);
        target = new(role, current.Databases[role.Database], current.Issuers[role.Issuer], caller);
        return null;
    }

    private static Ask AskOf(Caller caller, string holder, HolderId id, Origin origin) =>
        new(caller, id.Value is null ? "" : id.Role, holder, null, null, null, origin);
}
