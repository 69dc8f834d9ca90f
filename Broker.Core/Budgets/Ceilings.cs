using System.Globalization;
using Broker.Core.Catalog;
using Broker.Core.Ledger;

namespace Broker.Core.Budgets;

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
    public async ValueTask<Database> InForceAsync(Database database, CancellationToken cancellation) =>
        await ledger.Texts.ReadSharedAsync(Name(database.Name), cancellation) is var (text, _) ? InForce(database, text) : database;

    /// <summary>Sets it, or takes it back (null). In force with the next count of connections.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async ValueTask SetAsync(string database, int? ceiling, CancellationToken cancellation)
    {
        var text = seal.Seal(ceiling?.ToString(CultureInfo.InvariantCulture) ?? None, Purpose, database);
        await ledger.Texts.ChangeSharedAsync(Name(database), _ => text, cancellation);

        // What may be promised by it is known with the next count, which a database that nobody uses would not have.
        await ledger.Budgets.WakeAsync(database, cancellation);
    }

    private Database InForce(Database database, string text)
    {
        var opened = seal.TryOpen(text, Purpose, database.Name);
        if (opened == None) return database;
        if (!int.TryParse(opened ?? text, NumberStyles.None, CultureInfo.InvariantCulture, out var ceiling))
            return text == None ? database : throw new LedgerException($"The ceiling of database '{database.Name}' in the ledger cannot be opened: set it again, or take it back.");
        if (opened is null && database.Budget.Ceiling < ceiling) return database;
        return database with { Budget = database.Budget with { Ceiling = ceiling } };
    }

    private static string Name(string database) => "ceiling:" + database;
}
