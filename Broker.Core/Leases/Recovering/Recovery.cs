using System.Collections.Concurrent;
using Broker.Core.Duties;
using Broker.Core.Leases.Claims;
using Broker.Core.Leases.Logins;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Leases.Recovering;

/// <summary>
/// Tells a ledger that lost something what this replica remembers (law L8): it was flushed, or a copy that lacks the last writes
/// took its place. Nothing new is granted until all replicas had time for that; what nobody remembers shows as foreign
/// connections until its holders return.
/// </summary>
internal sealed class Recovery(SharedLedger ledger, RememberedGrants remembered, LeaseLogins logins, Jitter jitter, ILogger<Recovery> log)
{
    private const string Why = "the ledger lost it; a replica remembered";
    private const int AtOnce = 100; // so that the ledger is held up by none of the calls

    private readonly ConcurrentDictionary<string, (string? At, string Epoch)> epochs = new(StringComparer.Ordinal);

    /// <summary>The epoch in which this replica told what it remembers; null: it remembers nothing from before.</summary>
    public string? EpochOf(string database) => epochs.TryGetValue(database, out var known) ? known.Epoch : null;

    /// <summary>The ledger said in which epoch a database's records are. Another one than before: it has lost something.</summary>
    /// <exception cref="LedgerException">The ledger did not answer: it is told at the next call.</exception>
    public async Task SawAsync(string database, DueAnswer said, CancellationToken cancellation)
    {
        var at = ledger.AddressOf(database);
        if (epochs.TryGetValue(database, out var known))
        {
            // What is remembered of another server is none of this one's business.
            if (known.At != at) remembered.ForgetAll(database);
            else if (known.Epoch != said.Epoch) await TellAsync(database, said.Epoch, cancellation);
        }

        epochs[database] = (at, said.Epoch);
        remembered.Hear(database, said);
    }

    private async Task TellAsync(string database, string epoch, CancellationToken cancellation)
    {
        log.LedgerLost(database, epoch);
        await ledger.Texts.PutBackAsync(cancellation); // a ceiling among them, which other replicas may not have heard of
        var back = await TellAsync([], [], [], ledger.Issues.MemoryOf(database));
        foreach (var gone in remembered.GoneOf(database).Chunk(AtOnce)) back += await TellAsync([], [], gone);

        // A lease goes before its holders.
        var holders = remembered.HoldersOf(database);
        var leases = holders.Select(holder => holder.Lease).Distinct().Select(logins.Find).OfType<LeaseRecord>().OrderByDescending(lease => lease.IssuedAt);
        foreach (var some in leases.Chunk(AtOnce / 2)) back += await TellAsync([.. some.Select(lease => new RememberedLease(lease, remembered.LeaseEndsIn(lease.Id)))], [], []);
        foreach (var some in holders.Chunk(AtOnce)) back += await TellAsync([], some, []);
        log.LedgerTold(database, back);

        async Task<int> TellAsync(RememberedLease[] leases, RememberedHolder[] holders, GoneHolder[] gone, PaceMemory? pace = null) =>
            await ledger.Leases.RestoreAsync(database, epoch, leases, holders, gone, jitter.Fraction(), Why, cancellation, pace);
    }
}
