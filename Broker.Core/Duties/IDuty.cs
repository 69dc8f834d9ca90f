using Broker.Core.Catalog;
using Broker.Core.Leases;
using Broker.Core.Model;

namespace Broker.Core.Duties;

/// <summary>
/// One kind of scheduled work, kept in the ledger: any replica takes a duty that is due, and one at a time does it. All
/// kinds are listed in <see cref="BrokerCore"/>.
/// </summary>
internal interface IDuty
{
    /// <summary>Its name: in the ledger a duty is <c>KIND</c> or <c>KIND:SUBJECT</c>.</summary>
    string Kind { get; }

    /// <summary>The subjects for which it always exists; the empty subject stands for <c>KIND</c> alone.</summary>
    /// <param name="catalog">What is configured.</param>
    /// <param name="database">A database, or <see cref="Ledger.SharedLedger.Issuers"/>.</param>
    IEnumerable<string> Standing(CatalogSnapshot catalog, string database) => [];

    /// <summary>
    /// Does the duty, and returns when to do it again; null: never. A failure is a <see cref="DutyException"/>, or the database's,
    /// issuer's or ledger's own exception: it is counted and shown, and the duty is tried again.
    /// </summary>
    Task<TimeSpan?> DoAsync(DutyCall call, CancellationToken cancellation);

    /// <summary>When to try again after a number of failures in a row, before jitter.</summary>
    TimeSpan RetryAfter(int failures) => Retry.Doubling(failures, TimeSpan.FromSeconds(30));
}

/// <summary>One duty that is due.</summary>
/// <param name="Catalog">What is configured.</param>
/// <param name="Database">The database's name, or <see cref="Ledger.SharedLedger.Issuers"/>.</param>
/// <param name="Subject">What it concerns: a lease, a role, an issuer; empty for the database itself.</param>
/// <param name="Failures">How often it failed in a row until now.</param>
internal sealed record DutyCall(CatalogSnapshot Catalog, string Database, string Subject, int Failures);
