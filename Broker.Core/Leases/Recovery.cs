using System.Collections.Concurrent;
using Broker.Core.Duties;
using Broker.Core.Leases.Claims;
using Broker.Core.Leases.Logins;
using Broker.Core.Ledger;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Leases;

/// <summary>
/// Tells a ledger that lost something what this replica remembers (law L8): it was flushed, or a copy that lacks the last writes
/// took its place. Nothing new is granted until all replicas had time for that; what nobody remembers shows as foreign
/// connections until its holders return.
/// </summary>
internal sealed class Recovery(SharedLedger ledger, RememberedGrants remembered, LeaseLogins logins, Jitter jitter, ILogger<Recovery> log)
{
    private const string Why = "the ledger lost it; a replica remembered";
    private const int HoldersAtOnce = 200;

    private readonly ConcurrentDictionary<string, string> epochs = new(StringComparer.Ordinal);

    /// <summary>The ledger said in which epoch a database's records are. Another one than before: it has lost something.</summary>
    /// <exception cref="LedgerException">The ledger did not answer: it is told at the next call.</exception>
    public async Task SawAsync(string database, string epoch, CancellationToken cancellation)
    {
        if (!epochs.TryGetValue(database, out var known))
            epochs[database] = epoch;
        else if (known != epoch)
        {
            await RestoreAsync(database, epoch, cancellation);
            epochs[database] = epoch;
        }
    }

    private async Task RestoreAsync(string database, string epoch, CancellationToken cancellation)
    {
        log.LedgerLost(database, epoch);
        var holders = remembered.Of(database);
        var back = 0;

        // The youngest lease of a pool is most likely the one that takes its holders. The first call, of none, says that something was lost.
        await ledger.Leases.RestoreAsync(database, epoch, null, 0, Why, [], cancellation);
        foreach (var lease in holders.Select(of => (Id: of.Key, Record: logins.Find(of.Key))).OrderByDescending(lease => lease.Record?.IssuedAt))
        {
            foreach (var some in holders[lease.Id].Chunk(HoldersAtOnce))
            {
                back += await ledger.Leases.RestoreAsync(
                    database, epoch, lease.Record is { } record ? new(record, remembered.LeaseEndsIn(lease.Id)) : null,
                    jitter.Fraction(), Why, some, cancellation);
            }
        }

        log.LedgerTold(database, back);
    }
}
