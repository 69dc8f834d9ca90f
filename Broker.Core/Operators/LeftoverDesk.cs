using System.Globalization;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Identity;
using Broker.Core.Issuing;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Core.Operators;

/// <summary>Shows leftovers to operators and drops them on order.</summary>
internal sealed class LeftoverDesk(ICatalog catalog, SharedLedger ledger, Issuers issuers, Leftovers leftovers, DeskAudit audit, TimeProvider time)
{
    /// <summary>The leftovers of one database, or of all.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async ValueTask<IReadOnlyList<Leftover>> ListAsync(string? database, CancellationToken cancellation)
    {
        var found = new List<Leftover>();
        foreach (var name in catalog.Current.Databases.Keys.Order(StringComparer.Ordinal))
        {
            if (database is null || database == name) found.AddRange(await leftovers.ListAsync(name, cancellation));
        }

        return found;
    }

    /// <summary>Checks once more, and drops the user if still no lease knows it. Null when it is gone.</summary>
    public async ValueTask<Refusal?> DropAsync(Caller caller, string databaseName, string username, string reason, Origin origin, CancellationToken cancellation)
    {
        var current = catalog.Current;
        var order = DeskAudit.Of(AuditAction.Revoke, caller, null, origin, time) with
        {
            Database = databaseName,
            DatabaseUser = username,
            Detail = $"leftover {username}",
            Reason = reason,
        };
        Leftover? left = null;
        var why = current.Databases.TryGetValue(databaseName, out var database)
            ? await WhyNotAsync(async () =>
            {
                (left, var whyNot) = await FindAsync(current, database, username, cancellation);
                return whyNot;
            })
            : Refusals.LeftoverUnknown(databaseName, username);
        order = order with { Role = left?.Role };
        if (why is not null) return await audit.EndAsync(order, why, cancellation);
        return await audit.CarryOutAsync(
            order,
            () => WhyNotAsync(async () =>
            {
                await leftovers.DropAsync(database!, current.Roles[left!.Role], left, cancellation);
                await LookAgainAsync(current, database!, cancellation);
                return null;
            }),
            cancellation);
    }

    // The user is gone, whatever comes of this.
    private async ValueTask LookAgainAsync(CatalogSnapshot current, Database database, CancellationToken cancellation)
    {
        try
        {
            await leftovers.LookAsync(current, database, cancellation);
        }
        catch (Exception e) when (e is LedgerException or DatabaseException)
        {
            // It is listed until the next search.
        }
    }

    // The leftover as far as it is known, and why it may not be dropped.
    private async ValueTask<(Leftover? Left, Refusal? WhyNot)> FindAsync(CatalogSnapshot current, Database database, string username, CancellationToken cancellation)
    {
        var others = await leftovers.LookAsync(current, database, cancellation);
        if (others.TryGetValue(username, out var mark)) return (null, Refusals.LeftoverOfAnother(database.Name, username, mark));
        var left = (await leftovers.ListAsync(database.Name, cancellation)).FirstOrDefault(of => of.Username == username);
        if (left is null) return (null, Refusals.LeftoverUnknown(database.Name, username));
        var role = current.Roles.GetValueOrDefault(left.Role);
        if (!await leftovers.MayDropAsync(database, role, left, cancellation)) return (left, Refusals.LeftoverUnknown(database.Name, username));
        return (left, await WhyMayBeAnothersAsync(current, database, role!, cancellation) is { } why ? Refusals.LeftoverMayBeAnothers(database.Name, username, why) : null);
    }

    private static async ValueTask<Refusal?> WhyNotAsync(Func<ValueTask<Refusal?>> step)
    {
        try
        {
            return await step();
        }
        catch (LedgerException)
        {
            return Refusals.LedgerUnavailable();
        }
        catch (DatabaseException e)
        {
            return Refusals.DatabaseUnavailable($"The user could not be dropped. {e.Message}");
        }
    }

    // A user that Vault made has a lease there for as long as somebody uses it: if Vault has no lease that this broker does not know, the user
    // belongs to nobody. Null: nobody else issues through the role's path.
    private async ValueTask<string?> WhyMayBeAnothersAsync(CatalogSnapshot current, Database database, Role role, CancellationToken cancellation)
    {
        if (role.VaultPath is not { } path || role.VaultPathExclusive) return null;
        try
        {
            var listed = await issuers[current.Issuers[role.Issuer]].ListAsync(role, database, cancellation);
            var known = (await ledger.Leases.AllAsync(database.Name, cancellation)).Select(lease => lease.IssuerId).ToHashSet(StringComparer.Ordinal);
            var strangers = listed.Count(id => !known.Contains(id));
            return strangers == 0 ? null : string.Create(CultureInfo.InvariantCulture, $"Vault has {strangers} leases of '{path}' that this broker did not request");
        }
        catch (IssuerException e)
        {
            return $"Vault does not list its leases of '{path}' ({e.Message})";
        }
    }
}
