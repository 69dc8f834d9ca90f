using Broker.Core.Catalog;
using Broker.Core.Leases;
using Broker.Core.Ledger;

namespace Broker.Core.Operators;

/// <summary>A duty, of which database or of the issuers (null).</summary>
public sealed record Duty(string? Database, DutyRecord Record)
{
    /// <summary>So many failures in a row are no passing trouble any more.</summary>
    public const int FailingFrom = 3;

    /// <summary>Whether it keeps failing: somebody should look.</summary>
    public bool IsFailing => Record.Failures >= FailingFrom;

    /// <summary>Its kind, e.g. <c>renew</c>.</summary>
    public string Kind => Record.Name.Split(':')[0];
}

/// <summary>Shows what is due and what keeps failing.</summary>
public sealed class DutyDesk(ICatalog catalog, SharedLedger ledger)
{
    private const int Most = 10_000;

    /// <summary>The duties of all databases and of the issuers: those that fail first, then those due first.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async ValueTask<IReadOnlyList<Duty>> ListAsync(CancellationToken cancellation)
    {
        var found = new List<Duty>();
        foreach (var name in catalog.Current.Databases.Keys.Order(StringComparer.Ordinal).Append(SharedLedger.Issuers))
        {
            var database = name == SharedLedger.Issuers ? null : name;
            found.AddRange((await ledger.Duties.DutiesAsync(name, Most, cancellation)).Select(record => new Duty(database, record)));
        }

        return [.. found.OrderByDescending(duty => duty.Record.Failures).ThenBy(duty => duty.Record.DueAt)];
    }
}
