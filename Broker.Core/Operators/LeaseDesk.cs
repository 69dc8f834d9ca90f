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
        Refusal? refusal = null;
        LeaseRecord? lease = null;
        try
        {
            lease = (await FindAsync(id, cancellation))?.Lease;
            if (lease is null)
            {
                refusal = Refusals.LeaseUnknown(id);
            }
            else
            {
                var why = $"revoked by {caller.DisplayName}: {reason}";
                await ledger.Leases.MoveAsync(lease.Database, id, LeaseState.Retiring, why, cancellation);
                await ledger.Leases.MoveAsync(lease.Database, id, LeaseState.Revoking, why, cancellation, MoveHow.EndSessions);
            }
        }
        catch (LedgerException)
        {
            refusal = Refusals.LedgerUnavailable();
        }

        return await RecordAsync(AuditAction.Revoke, caller, lease?.Role, lease?.Database, id, reason, refusal, origin, cancellation);
    }

    /// <summary>
    /// Replaces each of a role's leases with a new one, to which its holders move; the old one takes holders until the new one works.
    /// Null: ordered.
    /// </summary>
    public async ValueTask<Refusal?> RotateAsync(Caller caller, string roleName, string reason, Origin origin, CancellationToken cancellation)
    {
        Refusal? refusal = null;
        var current = catalog.Current;
        var known = current.Roles.TryGetValue(roleName, out var role);
        if (!known)
        {
            refusal = Refusals.NotAllowed(roleName);
        }
        else
        {
            try
            {
                foreach (var lease in await ledger.Leases.LiveAsync(role!.Database, cancellation))
                {
                    if (lease.Role != roleName || lease.State != LeaseState.Active) continue;
                    var followed = await successor.EnsureAsync(
                        role, current.Databases[role.Database], current.Issuers[role.Issuer], lease.Pool, lease.Id, $"rotated by {caller.DisplayName}: {reason}", cancellation);

                    // Should the next one's issuing fail, it is tried again until it works.
                    if (!followed) await ledger.Duties.HurryAsync(role.Database, DutyKinds.Rotate, lease.Id, cancellation);
                }
            }
            catch (LedgerException)
            {
                refusal = Refusals.LedgerUnavailable();
            }
            catch (DutyException e)
            {
                refusal = Refusals.IssuerUnavailable(e.Message);
            }
        }

        return await RecordAsync(AuditAction.Rotate, caller, roleName, role?.Database, null, reason, refusal, origin, cancellation);
    }

    private async ValueTask<Refusal?> RecordAsync(
        AuditAction action, Caller caller, string? role, string? database, string? lease, string reason, Refusal? refusal, Origin origin, CancellationToken cancellation)
    {
        var record = DeskAudit.Of(action, caller, refusal, origin, time) with { Role = role, Database = database, LeaseId = lease, Reason = reason };
        return (await audit.WriteAsync(record, new Outcome(null, refusal), cancellation)).Refusal;
    }
}
