using System.Globalization;
using System.Text.Json;
using Broker.Core.Catalog;
using Broker.Core.Ledger;

namespace Broker.Core.Budgets;

/// <summary>A ceiling that stands in for the configured one.</summary>
/// <param name="Connections">How many may be promised at most.</param>
/// <param name="Reason">Why, in the operator's own words; empty: not known.</param>
/// <param name="By">Who ordered it; empty: not known.</param>
/// <param name="Since">Since when; null: not known.</param>
public sealed record CeilingOrder(int Connections, string Reason, string By, DateTimeOffset? Since);

/// <summary>
/// Ceilings that operators set while the broker runs: they stand in for the configured ones, on every replica, until they
/// are taken back. Percent of the server's connections stays the bound above them. They are sealed: what an operator did not set may lower
/// a ceiling, and never raise it (law L14).
/// </summary>
internal sealed class Ceilings(SharedLedger ledger, LedgerSeal seal)
{
    private const string None = "-";
    private const string Purpose = "Broker.Ceiling.v1";

    /// <summary>The database with the ceiling that is in force.</summary>
    /// <exception cref="LedgerException">The ledger does not answer, or the ceiling cannot be opened.</exception>
    public async ValueTask<Database> InForceAsync(Database database, CancellationToken cancellation)
    {
        if (await ReadAsync(database.Name, cancellation) is not { } text) return database;
        if (!TryRead(database, text, out var order)) throw new LedgerException($"The ceiling of database '{database.Name}' in the ledger cannot be opened: set it again, or reset it.");
        return order is null ? database : database with { Budget = database.Budget with { Ceiling = order.Connections } };
    }

    /// <summary>The order that is in force, for who looks on; null: the configured ceiling is, or it cannot be opened, which the counts that fail of it say.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async ValueTask<CeilingOrder?> FindAsync(Database database, CancellationToken cancellation) =>
        await ReadAsync(database.Name, cancellation) is { } text && TryRead(database, text, out var order) ? order : null;

    /// <summary>Sets it, or takes it back (null). In force with the next count of connections.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async ValueTask SetAsync(string database, CeilingOrder? order, CancellationToken cancellation)
    {
        var text = seal.Seal(order is null ? None : JsonSerializer.Serialize(order), Purpose, database);
        await ledger.Texts.ChangeSharedAsync(Name(database), _ => text, cancellation);

        // What may be promised by it is known with the next count, which a database that nobody uses would not have.
        await ledger.Budgets.WakeAsync(database, cancellation);
    }

    private async ValueTask<string?> ReadAsync(string database, CancellationToken cancellation) =>
        await ledger.Texts.ReadSharedAsync(Name(database), cancellation) is var (text, _) ? text : null;

    // Null: the configured one is in force. False: nobody can tell.
    private bool TryRead(Database database, string text, out CeilingOrder? order)
    {
        order = null;
        var opened = seal.TryOpen(text, Purpose, database.Name);
        if ((opened ?? text) == None) return true;
        if (opened?.StartsWith('{') == true)
        {
            order = JsonSerializer.Deserialize<CeilingOrder>(opened);
            return true;
        }

        // A number alone: sealed by a version that kept no more, or not by an operator at all.
        if (!int.TryParse(opened ?? text, NumberStyles.None, CultureInfo.InvariantCulture, out var ceiling)) return false;
        if (opened is not null || !(database.Budget.Ceiling < ceiling)) order = new(ceiling, "", "", null);
        return true;
    }

    private static string Name(string database) => "ceiling:" + database;
}
