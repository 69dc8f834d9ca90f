using System.Collections.Concurrent;
using Broker.Core.Ledger;

namespace Broker.Core.Leases.Claims;

/// <summary>
/// What this replica granted, so that a holder that asks again while the ledger is away is answered, and a ledger that lost
/// something is told what it was: the holder has its connections already, so nothing new is promised. Measured by this
/// replica's stopwatch, not by its clock (law L9).
/// </summary>
internal sealed class RememberedGrants(TimeProvider time)
{
    private const int Most = 100_000;

    private readonly ConcurrentDictionary<string, Remembered> byHolder = new(StringComparer.Ordinal);

    public void Remember(string database, Claim claim, ClaimAnswer.Granted grant)
    {
        // Asking again mostly changes nothing but how long it still lasts; counting a dictionary takes all of its locks.
        if (byHolder.TryGetValue(claim.Holder, out var known))
        {
            if (known.Grant with { EndsIn = grant.EndsIn, LeaseEndsIn = grant.LeaseEndsIn } == grant) return;
        }
        else if (byHolder.Count >= Most)
        {
            byHolder.Clear();
        }

        byHolder[claim.Holder] = new(database, claim.Caller, grant, time.GetTimestamp());
    }

    public void Forget(string holder) => byHolder.TryRemove(holder, out _);

    /// <summary>The holder's grant as far as its time still runs; null when nothing is remembered or it is over.</summary>
    public ClaimAnswer.Granted? Find(string holder) =>
        byHolder.TryGetValue(holder, out var known) && Now(known) is { EndsIn.Ticks: > 0 } grant ? grant : null;

    /// <summary>The holders of one database whose time still runs, by their lease.</summary>
    public ILookup<string, RememberedHolder> Of(string database) => byHolder
        .Where(pair => pair.Value.Database == database)
        .Select(pair => (pair.Key, pair.Value.Caller, Grant: Now(pair.Value)))
        .Where(known => known.Grant.EndsIn > TimeSpan.Zero)
        .ToLookup(known => known.Grant.Lease, known => new RememberedHolder(known.Key, known.Grant.Connections, known.Grant.EndsIn, known.Caller), StringComparer.Ordinal);

    /// <summary>How long a lease still has, as it was last told to one of its holders; zero when nothing is remembered.</summary>
    public TimeSpan LeaseEndsIn(string lease) => byHolder.Values
        .Where(known => known.Grant.Lease == lease)
        .Select(known => Now(known).LeaseEndsIn)
        .DefaultIfEmpty(TimeSpan.Zero)
        .Max();

    private ClaimAnswer.Granted Now(Remembered known)
    {
        var passed = time.GetElapsedTime(known.At);
        return known.Grant with { EndsIn = known.Grant.EndsIn - passed, LeaseEndsIn = known.Grant.LeaseEndsIn - passed };
    }

    private sealed record Remembered(string Database, string Caller, ClaimAnswer.Granted Grant, long At);
}
