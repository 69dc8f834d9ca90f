using System.Collections.Concurrent;
using System.Security.Cryptography;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Core.Leases.Logins;

/// <summary>
/// The logins of leases this replica gives out, opened once: a claim on a lease that is there costs no decryption and no look
/// into the ledger. A lease's login never changes.
/// </summary>
internal sealed class LeaseLogins(SharedLedger ledger, LoginSealer sealer, DatabaseEngines engines)
{
    private const int Most = 10_000;

    private readonly ConcurrentDictionary<string, OpenedLease> opened = new(StringComparer.Ordinal);

    /// <summary>A lease as it was when this replica opened its login; null when it never did.</summary>
    public LeaseRecord? Find(string lease) => opened.TryGetValue(lease, out var known) ? known.Record : null;

    /// <summary>The login of a lease; null when the ledger does not know the lease any more.</summary>
    public async ValueTask<OpenedLease?> OfAsync(Database database, string lease, CancellationToken cancellation)
    {
        if (opened.TryGetValue(lease, out var known)) return known;
        var record = await ledger.LeaseAsync(database.Name, lease, cancellation);
        if (record is null || record.SealedLogin.Length == 0) return null;
        if (opened.Count >= Most) opened.Clear();
        return opened.GetOrAdd(lease, new OpenedLease(record, Open(record), database, engines[database.Engine]));
    }

    private Login Open(LeaseRecord lease)
    {
        try
        {
            return sealer.Open(lease.SealedLogin);
        }
        catch (CryptographicException e)
        {
            throw new LedgerException($"The login of lease {lease.Id} was sealed with keys that this replica does not have (Broker:Sealing).", e);
        }
    }
}

/// <summary>A lease with its login in the clear, in this replica's memory only.</summary>
internal sealed class OpenedLease(LeaseRecord record, Login login, Database database, IDatabaseEngine engine)
{
    private readonly ConcurrentDictionary<int, GrantedCredentials> byConnections = new();

    public LeaseRecord Record => record;

    public DateTimeOffset IssuedAt { get; } = record.IssuedAt ?? record.CreatedAt;

    public GrantedCredentials For(int connections) => byConnections.GetOrAdd(connections, count => new(
        login, database.Host, database.Port, database.DatabaseName, engine.Describe(database, login, count)));
}
