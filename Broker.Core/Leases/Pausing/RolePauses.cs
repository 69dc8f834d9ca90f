using System.Text.Json;
using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Core.Leases.Pausing;

/// <summary>An operator's order on a role.</summary>
/// <param name="Role">The role.</param>
/// <param name="State">Its effect.</param>
/// <param name="Reason">Why, in the operator's own words; refused callers are told.</param>
/// <param name="By">The operator.</param>
/// <param name="Since">Since when.</param>
public sealed record RolePause(string Role, RoleState State, string Reason, string By, DateTimeOffset Since);

/// <summary>
/// Roles that operators pause, drain and resume. The orders are one sealed text per database, like ceilings: every
/// replica remembers it and restores what a ledger lost, and nobody who can write to Redis can cancel an order (law L14). Claims are
/// decided by the database's own books; each count of connections writes the orders there again before anything is promised on it.
/// </summary>
internal sealed class RolePauses(ICatalog catalog, SharedLedger ledger, LedgerSeal seal, TimeProvider time)
{
    private const string Purpose = "Broker.Pauses.v1";

    /// <summary>The orders in force on a database's roles.</summary>
    /// <exception cref="LedgerException">The ledger does not answer, or the orders cannot be opened.</exception>
    public async ValueTask<IReadOnlyList<RolePause>> ListAsync(string database, CancellationToken cancellation) =>
        (await ReadAsync(database, cancellation)).Roles;

    /// <summary>Writes them into the database's books.</summary>
    /// <exception cref="LedgerException">The ledger does not answer, or the orders cannot be decrypted: nothing may be promised.</exception>
    public async ValueTask EnforceAsync(string database, CancellationToken cancellation)
    {
        var orders = await ReadAsync(database, cancellation);
        while (!await WriteAsync(orders, sure: false))
        {
            // Another replica was faster with later orders; or somebody else wrote there: only the sealed text counts.
            var again = await ReadAsync(database, cancellation);
            if (again.Version == orders.Version && await WriteAsync(again, sure: true)) return;
            orders = again;
        }

        ValueTask<bool> WriteAsync(PauseOrders all, bool sure) =>
            ledger.Budgets.PauseAsync(database, all.Version, [.. all.Roles.Select(pause => new PausedRole(pause.Role, pause.State))], sure, cancellation);
    }

    /// <summary>The refusal for a caller whom the ledger refused because of such an order.</summary>
    public async ValueTask<Refusal> RefusalAsync(Role role, CancellationToken cancellation)
    {
        try
        {
            return (await ListAsync(role.Database, cancellation)).FirstOrDefault(pause => pause.Role == role.Name) is { } pause
                ? Refusals.RolePaused(role.Name, pause.State, pause.Reason)
                : Refusals.RolePaused(role.Name, RoleState.Paused, null);
        }
        catch (LedgerException)
        {
            return Refusals.RolePaused(role.Name, RoleState.Paused, null);
        }
    }

    /// <summary>Records an order, and writes it into the database's books: in force on all replicas when this returns.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async ValueTask SetAsync(Role role, RolePause order, CancellationToken cancellation)
    {
        await PutAsync(role, order, cancellation);
        await EnforceAsync(role.Database, cancellation);
    }

    private ValueTask PutAsync(Role role, RolePause order, CancellationToken cancellation) => ledger.Texts.ChangeSharedAsync(
        Name(role.Database),
        there =>
        {
            var before = there is null ? PauseOrders.None : TryRead(role.Database, there) ?? Unknown(role.Database, order);
            // Orders on roles that the catalog no longer has are useless.
            var kept = before.Roles.Where(pause => pause.Role != role.Name && catalog.Current.Roles.ContainsKey(pause.Role));
            var orders = new PauseOrders(
                Math.Max(before.Version + 1, time.GetUtcNow().ToUnixTimeMilliseconds()),
                [.. kept, .. order.State == RoleState.Open ? Array.Empty<RolePause>() : [order]]);
            return seal.Seal(JsonSerializer.Serialize(orders), Purpose, role.Database);
        },
        cancellation);

    private async ValueTask<PauseOrders> ReadAsync(string database, CancellationToken cancellation) =>
        await ledger.Texts.ReadSharedAsync(Name(database), cancellation) is var (text, _) ? Read(database, text) : PauseOrders.None;

    private PauseOrders Read(string database, string text) => TryRead(database, text)
        ?? throw new LedgerException($"The orders on the roles of database '{database}' in the ledger cannot be decrypted (Broker:Sealing), so nothing is promised on it: give an order again.");

    private PauseOrders? TryRead(string database, string text) =>
        seal.TryOpen(text, Purpose, database) is { } opened ? JsonSerializer.Deserialize<PauseOrders>(opened) : null;

    // Earlier orders are lost: any role may have been paused.
    private PauseOrders Unknown(string database, RolePause order) => new(
        0,
        [
            .. catalog.Current.Roles.Values.Where(role => role.Database == database)
                .Select(role => order with { Role = role.Name, State = RoleState.Paused, Reason = "Earlier orders could not be decrypted. Resume the role once you have checked it." }),
        ]);

    private static string Name(string database) => "pauses:" + database;

    // The version rises with every order, so that a replica that read earlier ones does not write them over later ones.
    private sealed record PauseOrders(long Version, IReadOnlyList<RolePause> Roles)
    {
        public static readonly PauseOrders None = new(0, []);
    }
}
