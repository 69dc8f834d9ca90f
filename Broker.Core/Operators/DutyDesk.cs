using Broker.Core.Catalog;
using Broker.Core.Leases;
using Broker.Core.Ledger;

namespace Broker.Core.Operators;

/// <summary>A duty, of a database or of the issuers (null).</summary>
public sealed record Duty(string? Database, DutyRecord Record)
{
    /// <summary>From this many failures in a row on, it is not a passing problem.</summary>
    public const int FailingFrom = 3;

    /// <summary>Whether it keeps failing: somebody should look.</summary>
    public bool IsFailing => Record.Failures >= FailingFrom;

    /// <summary>Its kind, e.g. <c>renew</c>.</summary>
    public string Kind => Record.Name.Split(':')[0];

    /// <summary>What it concerns, e.g. the lease's id or the role's name; empty: the whole database.</summary>
    public string Subject => Record.Name.Split(':', 2) is [_, var subject] ? subject : "";

    /// <summary>A plain description, e.g. <c>Renewing the lease of b-orders-api-x</c>.</summary>
    /// <param name="username">The user of the lease that it concerns; null when not known, or when it concerns no lease.</param>
    public string InWords(string? username) => Kind switch
    {
        DutyKinds.Sample => "Counting the connections",
        DutyKinds.Leftovers => "Looking for users that no lease knows",
        DutyKinds.Ready => $"Keeping a user ready for {Subject}",
        DutyKinds.Token => $"Renewing the token of the issuer {Subject}",
        DutyKinds.Renew => $"Renewing the lease of {username ?? Subject}",
        DutyKinds.Rotate => $"Replacing the user {username ?? Subject}",
        DutyKinds.Verify => $"Trying to log in as {username ?? Subject}",
        DutyKinds.Expire => $"Ending the lease of {username ?? Subject}",
        DutyKinds.Revoke => $"Dropping the user {username ?? Subject}",
        DutyKinds.Reap => $"Clearing up after {username ?? Subject}",
        _ => Record.Name,
    };
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
