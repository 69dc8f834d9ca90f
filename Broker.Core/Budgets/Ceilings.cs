using System.Globalization;
using System.Text.Json;
using Broker.Core.Catalog;
using Broker.Core.Ledger;

namespace Broker.Core.Budgets;

/// <summary>A ceiling that overrides the configured one.</summary>
/// <param name="Connections">How many may be promised at most.</param>
/// <param name="Reason">Why, in the operator's own words; empty: not known.</param>
/// <param name="By">Who ordered it; empty: not known.</param>
/// <param name="Since">Since when; null: not known.</param>
public sealed record CeilingOrder(int Connections, string Reason, string By, DateTimeOffset? Since);

/// <summary>
/// Ceilings that operators set while the broker runs: they override the configured ones, on every replica, until they
/// are taken back. CeilingPercent still applies on top. They are sealed: a value that no operator set may lower
/// a ceiling, but never raise it (law L14). Who set it, and why, is stored separately, because earlier versions read only the number.
/// </summary>
internal sealed class Ceilings(SharedLedger ledger, LedgerSeal seal)
{
    private const string None = "-";
    private const string Purpose = "Broker.Ceiling.v1";
    private const string OrderPurpose = "Broker.CeilingOrder.v1";

    /// <summary>The database with the ceiling in force.</summary>
    /// <exception cref="LedgerException">The ledger does not answer, or the ceiling cannot be decrypted.</exception>
    public async ValueTask<Database> InForceAsync(Database database, CancellationToken cancellation)
    {
        if (await ReadAsync(Name(database.Name), cancellation) is not { } text) return database;
        if (!TryRead(database, text, out var ceiling)) throw new LedgerException($"The ceiling of database '{database.Name}' in the ledger cannot be decrypted: set it again, or reset it.");
        return ceiling is null ? database : database with { Budget = database.Budget with { Ceiling = ceiling } };
    }

    /// <summary>The order in force, for display; null when the configured ceiling is in force, or when the order cannot be decrypted, which failing counts report.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async ValueTask<CeilingOrder?> FindAsync(Database database, CancellationToken cancellation)
    {
        if (await ReadAsync(Name(database.Name), cancellation) is not { } text || !TryRead(database, text, out var found) || found is not { } ceiling) return null;
        var order = await ReadAsync(OrderName(database.Name), cancellation) is { } told && seal.TryOpen(told, OrderPurpose, database.Name) is { } opened
            ? JsonSerializer.Deserialize<CeilingOrder>(opened)
            : null;
        return order?.Connections == ceiling ? order : new(ceiling, "", "", null);
    }

    /// <summary>Sets the ceiling, or takes it back (null). Takes effect with the next count of connections.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async ValueTask SetAsync(string database, CeilingOrder? order, CancellationToken cancellation)
    {
        if (order is not null)
        {
            var told = seal.Seal(JsonSerializer.Serialize(order), OrderPurpose, database);
            await ledger.Texts.ChangeSharedAsync(OrderName(database), _ => told, cancellation);
        }

        var text = seal.Seal(order?.Connections.ToString(CultureInfo.InvariantCulture) ?? None, Purpose, database);
        await ledger.Texts.ChangeSharedAsync(Name(database), _ => text, cancellation);

        // It takes effect with the next count, so an idle database has to be counted once more.
        await ledger.Budgets.WakeAsync(database, cancellation);
    }

    private async ValueTask<string?> ReadAsync(string name, CancellationToken cancellation) =>
        await ledger.Texts.ReadSharedAsync(name, cancellation) is var (text, _) ? text : null;

    // Null: the configured ceiling is in force. False: it cannot be determined.
    private bool TryRead(Database database, string text, out int? ceiling)
    {
        ceiling = null;
        var opened = seal.TryOpen(text, Purpose, database.Name);
        if ((opened ?? text) == None) return true;
        if (!int.TryParse(opened ?? text, NumberStyles.None, CultureInfo.InvariantCulture, out var set)) return false;
        // A value that no operator sealed may only lower the ceiling.
        if (opened is not null || !(database.Budget.Ceiling < set)) ceiling = set;
        return true;
    }

    private static string Name(string database) => "ceiling:" + database;

    private static string OrderName(string database) => "ceiling-order:" + database;
}
