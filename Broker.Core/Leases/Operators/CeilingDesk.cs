using System.Globalization;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Core.Leases.Operators;

/// <summary>
/// Ceilings that operators set while the broker runs: they stand in for the configured ones, on every replica, until they
/// are taken back. Percent of the server's connections stays the bound above them. They are sealed: what an operator did not set may lower
/// a ceiling, and never raise it (law L14).
/// </summary>
internal sealed class CeilingDesk(ICatalog catalog, SharedLedger ledger, LedgerSeal seal, DeskAudit audit, TimeProvider time)
{
    private const string None = "-";
    private const string Purpose = "Broker.Ceiling.v1";

    /// <summary>The database with the ceiling that is in force.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async ValueTask<Database> InForceAsync(Database database, CancellationToken cancellation) =>
        await ledger.Texts.ReadSharedAsync(Name(database.Name), cancellation) is var (text, _) ? InForce(database, text) : database;

    /// <summary>Sets it, or takes it back (null). In force with the next count of connections. Null: done.</summary>
    public async ValueTask<Refusal?> SetAsync(Caller caller, string database, int? ceiling, string reason, Origin origin, CancellationToken cancellation)
    {
        Refusal? refusal = null;
        if (!catalog.Current.Databases.ContainsKey(database))
        {
            refusal = Refusals.Invalid($"There is no database '{database}'.");
        }
        else
        {
            try
            {
                await PutAsync(Name(database), seal.Seal(ceiling?.ToString(CultureInfo.InvariantCulture) ?? None, Purpose, database), cancellation);
                // What may be promised by it is known with the next count, which a database that nobody uses would not have.
                await ledger.Budgets.WakeAsync(database, cancellation);
            }
            catch (LedgerException)
            {
                refusal = Refusals.LedgerUnavailable();
            }
        }

        var record = DeskAudit.Of(AuditAction.Ceiling, caller, refusal, origin, time) with
        {
            Database = database,
            Connections = ceiling,
            Detail = refusal?.Detail ?? (ceiling is null ? "the configured ceiling is in force again" : null),
            Reason = reason,
        };
        return (await audit.WriteAsync(record, new Outcome(null, refusal), cancellation)).Refusal;
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

    private async ValueTask PutAsync(string name, string text, CancellationToken cancellation)
    {
        while (true)
        {
            var there = await ledger.Texts.ReadSharedAsync(name, cancellation);
            if (await ledger.Texts.ReplaceSharedAsync(name, there?.Text, text, cancellation)) return;
        }
    }

    private static string Name(string database) => "ceiling:" + database;
}
