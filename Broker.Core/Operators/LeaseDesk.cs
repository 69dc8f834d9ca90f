using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Duties;
using Broker.Core.Identity;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Core.Operators;

/// <summary>Shows leases to operators and carries out their orders.</summary>
internal sealed class LeaseDesk(ICatalog catalog, SharedLedger ledger, LeaseSuccessor successor, DeskAudit audit, TimeProvider time)
{
    private const int MostLeases = 1000;
    private const int MostHolders = 1000;

    /// <summary>The leases of one database, or of all, oldest first, at most 1,000 each.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async ValueTask<IReadOnlyList<LeaseRecord>> ListAsync(string? database, CancellationToken cancellation)
    {
        var found = new List<LeaseRecord>();
        foreach (var name in catalog.Current.Databases.Keys.Order(StringComparer.Ordinal))
        {
            if (database is null || database == name) found.AddRange(await ledger.Leases.LeasesAsync(name, MostLeases, cancellation));
        }

        return found;
    }

    /// <summary>One lease with its holders, those that end first; null when there is none of that id.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async ValueTask<(LeaseRecord Lease, IReadOnlyList<HolderRecord> Holders)?> FindAsync(string id, CancellationToken cancellation)
    {
        foreach (var name in catalog.Current.Databases.Keys)
        {
            if (await ledger.Leases.LeaseAsync(name, id, cancellation) is { } lease)
                return (lease, [.. (await ledger.Holders.HoldersAsync(name, id, int.MaxValue, cancellation)).Take(MostHolders)]);
        }

        return null;
    }

    /// <summary>Ends a lease now: its user is dropped and its sessions are ended, whoever holds it. Null: ordered.</summary>
    public async ValueTask<Refusal?> RevokeAsync(Caller caller, string id, string reason, Origin origin, CancellationToken cancellation)
    {
        var order = DeskAudit.Of(AuditAction.Revoke, caller, null, origin, time) with { LeaseId = id, Reason = reason };
        LeaseRecord? lease;
        try
        {
            lease = (await FindAsync(id, cancellation))?.Lease;
        }
        catch (LedgerException)
        {
            return await audit.EndAsync(order, Refusals.LedgerUnavailable(), cancellation);
        }

        if (lease is null) return await audit.EndAsync(order, Refusals.LeaseUnknown(id), cancellation);
        return await audit.CarryOutAsync(
            order with { Role = lease.Role, Database = lease.Database },
            async () =>
            {
                var why = $"revoked by {caller.DisplayName}: {reason}";
                await ledger.Leases.MoveAsync(lease.Database, id, LeaseState.Retiring, why, cancellation);
                var moved = await ledger.Leases.MoveAsync(lease.Database, id, LeaseState.Revoking, why, cancellation, MoveHow.EndSessions);
                if (moved == MoveAnswer.Unknown) return Refusals.LeaseUnknown(id);
                // Nothing is left to do for a lease that is over.
                return moved == MoveAnswer.NotMoved && (await ledger.Leases.LeaseAsync(lease.Database, id, cancellation))?.State is LeaseState.Issuing or LeaseState.Active or LeaseState.Retiring
                    ? Refusals.LeaseIssuing(id)
                    : null;
            },
            cancellation);
    }

    /// <summary>
    /// Replaces each of a role's leases with a new one, to which its holders move; the old one takes holders until the new one works.
    /// Null: ordered.
    /// </summary>
    public async ValueTask<Refusal?> RotateAsync(Caller caller, string roleName, string reason, Origin origin, CancellationToken cancellation)
    {
        var current = catalog.Current;
        var role = current.Roles.GetValueOrDefault(roleName);
        var order = DeskAudit.Of(AuditAction.Rotate, caller, null, origin, time) with { Role = roleName, Database = role?.Database, Reason = reason };
        if (role is null) return await audit.EndAsync(order, Refusals.NotAllowed(roleName), cancellation);
        return await audit.CarryOutAsync(order, () => RotateAsync(current, role, $"rotated by {caller.DisplayName}: {reason}", cancellation), cancellation);
    }

    private async ValueTask<Refusal?> RotateAsync(CatalogSnapshot current, Role role, string why, CancellationToken cancellation)
    {
        try
        {
            foreach (var lease in await ledger.Leases.LiveAsync(role.Database, cancellation))
            {
                if (lease.Role != role.Name || lease.State != LeaseState.Active) continue;
                var followed = await successor.EnsureAsync(role, current.Databases[role.Database], current.Issuers[role.Issuer], lease.Pool, lease.Id, why, cancellation);

                // Should the next one's issuing fail, it is tried again until it works.
                if (!followed) await ledger.Duties.HurryAsync(role.Database, DutyKinds.Rotate, lease.Id, cancellation);
            }

            return null;
        }
        catch (DutyException e)
        {
            return Refusals.IssuerUnavailable(e.Message);
        }
    }
}
