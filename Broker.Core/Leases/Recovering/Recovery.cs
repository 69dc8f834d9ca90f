using System.Collections.Concurrent;
using Broker.Core.Duties;
using Broker.Core.Leases.Claims;
using Broker.Core.Leases.Logins;
using Broker.Core.Ledger;
using Broker.Core.Ledger.Sealing;
using Broker.Core.Model;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Leases.Recovering;

/// <summary>
/// Tells a ledger that lost something what this replica remembers (law L8): it was flushed, or a copy that lacks the last writes
/// took its place. Nothing new is granted until all replicas had time for that; what nobody remembers shows as foreign
/// connections until its holders return.
/// </summary>
internal sealed class Recovery(SharedLedger ledger, RememberedGrants remembered, LeaseLogins logins, Jitter jitter, TimeProvider time, ILogger<Recovery> log, CodedKeyRing? keys = null)
{
    private const string Why = "the ledger lost it, and a replica remembered it";
    private const int AtOnce = 100; // so that no call holds up the ledger for long

    // A decision from before the loss can be answered, and remembered, after the memory has been told: an answer takes at most three
    // seconds, and the ledger grants nothing for five.
    private static readonly TimeSpan LateAnswers = TimeSpan.FromSeconds(8);

    private readonly ConcurrentDictionary<string, Known> epochs = new(StringComparer.Ordinal);

    /// <summary>The epoch in which this replica told what it remembers; null: it remembers nothing from before.</summary>
    public string? EpochOf(string database) => epochs.TryGetValue(database, out var known) ? known.Epoch : null;

    /// <summary>
    /// The ledger said in which epoch a database's records are. If it differs from the one before, the ledger has lost something, and is told what this replica
    /// remembers; in the following rounds it is also told what the replica has come to remember meanwhile.
    /// </summary>
    /// <exception cref="LedgerException">The ledger did not answer: it is told at the next call.</exception>
    public async Task SawAsync(string database, DueAnswer said, CancellationToken cancellation)
    {
        var at = ledger.AddressOf(database);
        // A memory is stamped a moment before it can be found: one second of it is told twice, which changes nothing.
        var began = time.GetTimestamp() - time.TimestampFrequency;
        if (!epochs.TryGetValue(database, out var known)) known = new(at, said.Epoch, null, began);
        // Memories of another server do not concern this one.
        else if (known.At != at)
        {
            remembered.ForgetAll(database);
            known = new(at, said.Epoch, null, began);
        }
        else if (known.Epoch != said.Epoch)
        {
            await TellAsync(database, said.Epoch, cancellation);
            known = new(at, said.Epoch, began, began);
        }
        else if (known.LostAt is { } lostAt)
        {
            await TellAsync(database, said.Epoch, cancellation, since: known.ToldTo);
            known = known with { LostAt = time.GetElapsedTime(lostAt) < LateAnswers ? lostAt : null, ToldTo = began };
        }

        epochs[database] = known;
        remembered.Hear(database, said);
    }

    private async Task TellAsync(string database, string epoch, CancellationToken cancellation, long? since = null)
    {
        if (since is null)
        {
            log.LedgerLost(database, epoch);
            keys?.PutBack(); // before a replica that starts now makes others
            await ledger.Texts.PutBackAsync(cancellation); // a ceiling among them, which other replicas may not have heard of
        }

        var holders = remembered.HoldersOf(database, since);
        var left = remembered.GoneOf(database, since);
        var ends = remembered.EndsOfLeases(database);
        var pace = ledger.Issues.MemoryOf(database);
        var back = since is null ? await TellAsync([], [], [], pace) : 0;
        foreach (var gone in left.Chunk(AtOnce)) back += await TellAsync([], [], gone);

        // A lease goes before its holders.
        var leases = holders.Select(holder => holder.Lease).Distinct().Select(logins.Find).OfType<LeaseRecord>().OrderByDescending(lease => lease.IssuedAt);
        foreach (var some in leases.Chunk(AtOnce / 2)) back += await TellAsync([.. some.Select(AsAnnounced)], [], []);
        foreach (var some in holders.Chunk(AtOnce)) back += await TellAsync([], some, []);
        if (since is null || back > 0) log.LedgerTold(database, back);

        RememberedLease AsAnnounced(LeaseRecord lease)
        {
            // Its last holder may have been forgotten meanwhile.
            var (endsIn, endsAt) = ends.GetValueOrDefault(lease.Id, (TimeSpan.Zero, DateTimeOffset.UnixEpoch));
            return new(lease, endsIn, endsAt);
        }

        async Task<int> TellAsync(RememberedLease[] leases, RememberedHolder[] holders, GoneHolder[] gone, PaceMemory? pace = null) =>
            await ledger.Leases.RestoreAsync(database, epoch, leases, holders, gone, jitter.Fraction(), Why, cancellation, pace);
    }

    // Where the records are, their epoch, when this replica began to tell them what it remembers (null: long ago, or never), and up to when
    // it told its later memories. Both are moments of the stopwatch.
    private sealed record Known(string? At, string Epoch, long? LostAt, long ToldTo);
}
