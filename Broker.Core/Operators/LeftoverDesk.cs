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
        var (role, refusal) = await TryDropAsync(databaseName, username, cancellation);
        var record = DeskAudit.Of(AuditAction.Revoke, caller, refusal, origin, time) with
        {
            Role = role,
            Database = databaseName,
            DatabaseUser = username,
            Detail = refusal?.Detail ?? $"leftover {username}",
            Reason = reason,
        };
        return (await audit.WriteAsync(record, new Outcome(null, refusal), cancellation)).Refusal;
    }

    private async ValueTask<(string? Role, Refusal? Refusal)> TryDropAsync(string databaseName, string username, CancellationToken cancellation)
    {
        var current = catalog.Current;
        if (!current.Databases.TryGetValue(databaseName, out var database)) return (null, Refusals.LeftoverUnknown(databaseName, username));
        try
        {
            var others = await leftovers.LookAsync(current, database, cancellation);
            if (others.TryGetValue(username, out var mark)) return (null, Refusals.LeftoverOfAnother(databaseName, username, mark));
            var left = (await leftovers.ListAsync(databaseName, cancellation)).FirstOrDefault(of => of.Username == username);
            if (left is null) return (null, Refusals.LeftoverUnknown(databaseName, username));
            var role = current.Roles.GetValueOrDefault(left.Role);
            if (!await leftovers.MayDropAsync(database, role, left, cancellation)) return (left.Role, Refusals.LeftoverUnknown(databaseName, username));
            if (await WhyMayBeAnothersAsync(current, database, role!, cancellation) is { } why) return (left.Role, Refusals.LeftoverMayBeAnothers(databaseName, username, why));
            await leftovers.DropAsync(database, role!, left, cancellation);
            await leftovers.LookAsync(current, database, cancellation);
            return (left.Role, null);
        }
        catch (LedgerException)
        {
            return (null, Refusals.LedgerUnavailable());
        }
        catch (DatabaseException e)
        {
            return (null, Refusals.DatabaseUnavailable($"The user could not be dropped. {e.Message}"));
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
            var known = (await ledger.Leases.LeasesAsync(database.Name, int.MaxValue, cancellation)).Select(lease => lease.IssuerId).ToHashSet(StringComparer.Ordinal);
            var strangers = listed.Count(id => !known.Contains(id));
            return strangers == 0 ? null : string.Create(CultureInfo.InvariantCulture, $"Vault has {strangers} leases of '{path}' that this broker did not request");
        }
        catch (IssuerException e)
        {
            return $"Vault does not list its leases of '{path}' ({e.Message})";
        }
    }
}
