using System.Collections.Concurrent;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Operators.Holdings;

namespace Broker.Core.Operators.Holdings;

/// <summary>
/// Finds out who has connections to a database: the ledger's holders with what they have open, and everybody else. However many viewers there are, the
/// ledger is asked at most once a second, and the database once in two seconds.
/// </summary>
public sealed class HoldingDesk(ICatalog catalog, SharedLedger ledger, DatabaseEngines engines, TimeProvider time)
{
    private static readonly TimeSpan LedgerFresh = TimeSpan.FromSeconds(0.9);
    private static readonly TimeSpan DatabaseFresh = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<string, Look> looks = new(StringComparer.Ordinal);

    /// <summary>Those of one database; null when the catalog has no such database.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async Task<DatabaseHoldings?> ReadAsync(string name, CancellationToken cancellation)
    {
        if (!catalog.Current.Databases.TryGetValue(name, out var database)) return null;
        var look = looks.GetOrAdd(name, static _ => new());
        await look.Gate.WaitAsync(cancellation);
        try
        {
            if (look.Read is { } known && time.GetElapsedTime(look.ReadAt) < LedgerFresh) return known;
            // The database first, so that a holder that comes in between never seems to have more open than granted.
            var (sessions, why) = await SessionsAsync(database, look, cancellation);
            var leases = await ledger.Leases.LeasesAsync(name, int.MaxValue, cancellation);
            var records = await ledger.Holders.HoldersAsync(name, null, int.MaxValue, cancellation);
            var (holders, others) = HoldingCount.Of(name, records, leases, sessions);
            var now = leases.Count > 0 ? leases.Max(lease => lease.ReadAt) : (await ledger.Budgets.BudgetAsync(name, [], cancellation)).Now;
            look.Read = new(name, now, holders, others, why);
            look.ReadAt = time.GetTimestamp();
            return look.Read;
        }
        finally
        {
            look.Gate.Release();
        }
    }

    /// <summary>Those of all databases, by name.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async Task<IReadOnlyList<DatabaseHoldings>> ReadAllAsync(CancellationToken cancellation)
    {
        var found = await Task.WhenAll(catalog.Current.Databases.Keys.Order(StringComparer.Ordinal).Select(name => ReadAsync(name, cancellation)));
        return [.. found.OfType<DatabaseHoldings>()];
    }

    private async Task<(IReadOnlyList<OpenSessions>? Sessions, string? Why)> SessionsAsync(Database database, Look look, CancellationToken cancellation)
    {
        if (look.SeenAt is { } at && time.GetElapsedTime(at) < DatabaseFresh) return (look.Sessions, look.Why);
        using var patience = new CancellationTokenSource(Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellation);
        try
        {
            var counted = database.ReplicaConnectionString is { } replica ? database with { AdminConnectionString = replica } : database;
            (look.Sessions, look.Why) = (await engines[database.Engine].SessionsAsync(counted, either.Token), null);
        }
        catch (DatabaseException e)
        {
            (look.Sessions, look.Why) = (null, e.Message);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            (look.Sessions, look.Why) = (null, $"Database '{database.Name}' did not answer within {Patience.TotalSeconds:0} s.");
        }

        look.SeenAt = time.GetTimestamp();
        return (look.Sessions, look.Why);
    }

    private sealed class Look
    {
        public SemaphoreSlim Gate { get; } = new(1);

        public DatabaseHoldings? Read { get; set; }

        public long ReadAt { get; set; }

        public long? SeenAt { get; set; }

        public IReadOnlyList<OpenSessions>? Sessions { get; set; }

        public string? Why { get; set; }
    }
}
