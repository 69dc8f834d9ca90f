using BitFaster.Caching.Lru;
using Broker.Core.Ledger;

namespace Broker.Core.Leases.Claims;

/// <summary>
/// What this replica granted, so that a holder that asks again while the ledger is away is answered, and a ledger that lost
/// something is told what it was: the holder has its connections already, so nothing new is promised. Measured by this
/// replica's stopwatch, not by its clock (law L9). Grants that are over are forgotten; of too many, the one used least recently.
/// </summary>
internal sealed class RememberedGrants(TimeProvider time, int most = RememberedGrants.Most)
{
    /// <summary>So many are remembered.</summary>
    public const int Most = 100_000;

    private static readonly TimeSpan SweepEvery = TimeSpan.FromMinutes(1);

    private readonly FastConcurrentLru<string, Remembered> byHolder = new(Environment.ProcessorCount, most, StringComparer.Ordinal);
    private long sweptAt = time.GetTimestamp();

    /// <summary>How many grants it remembers, of which the last minute's may be over.</summary>
    public int Count => byHolder.Count;

    public void Remember(string database, Claim claim, ClaimAnswer.Granted grant)
    {
        // Asking again mostly changes nothing but how long it still lasts.
        if (byHolder.TryGet(claim.Holder, out var known) && known.Grant with { Now = grant.Now } == grant) return;
        ForgetEnded();
        byHolder.AddOrUpdate(claim.Holder, new(database, claim.Caller, grant, time.GetTimestamp()));
    }

    public void Forget(string holder) => byHolder.TryRemove(holder);

    /// <summary>The holder's grant as far as its time still runs; null when nothing is remembered or it is over.</summary>
    public ClaimAnswer.Granted? Find(string holder) =>
        byHolder.TryGet(holder, out var known) && Now(known) is { EndsIn.Ticks: > 0 } grant ? grant : null;

    /// <summary>The holders of one database whose time still runs, by their lease.</summary>
    public ILookup<string, RememberedHolder> Of(string database) => byHolder
        .Where(pair => pair.Value.Database == database)
        .Select(pair => (pair.Key, pair.Value.Caller, Grant: Now(pair.Value)))
        .Where(known => known.Grant.EndsIn > TimeSpan.Zero)
        .ToLookup(known => known.Grant.Lease, known => new RememberedHolder(known.Key, known.Grant.Connections, known.Grant.EndsIn, known.Caller), StringComparer.Ordinal);

    /// <summary>How long a lease still has, as it was last told to one of its holders; zero when nothing is remembered.</summary>
    public TimeSpan LeaseEndsIn(string lease) => byHolder
        .Where(pair => pair.Value.Grant.Lease == lease)
        .Select(pair => Now(pair.Value).LeaseEndsIn)
        .DefaultIfEmpty(TimeSpan.Zero)
        .Max();

    // Once a minute, by whoever comes first: looking through all of them costs more than a claim.
    private void ForgetEnded()
    {
        var last = Volatile.Read(ref sweptAt);
        var now = time.GetTimestamp();
        if (time.GetElapsedTime(last, now) < SweepEvery || Interlocked.CompareExchange(ref sweptAt, now, last) != last) return;
        foreach (var (holder, known) in byHolder)
        {
            if (Now(known).EndsIn <= TimeSpan.Zero) byHolder.TryRemove(holder);
        }
    }

    private ClaimAnswer.Granted Now(Remembered known) => known.Grant with { Now = known.Grant.Now + time.GetElapsedTime(known.At) };

    private sealed record Remembered(string Database, string Caller, ClaimAnswer.Granted Grant, long At);
}
