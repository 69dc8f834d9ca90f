using System.Collections.Concurrent;
using Broker.Core.Ledger;

namespace Broker.Core.Leases;

/// <summary>
/// What this replica granted, so that a holder that asks again while the ledger is away is answered: it has its connections
/// already, so nothing new is promised. Measured by this replica's stopwatch, not by its clock (law L9).
/// </summary>
internal sealed class RememberedGrants(TimeProvider time)
{
    private const int Most = 100_000;

    private readonly ConcurrentDictionary<string, (ClaimAnswer.Granted Grant, long At)> byHolder = new(StringComparer.Ordinal);

    public void Remember(string holder, ClaimAnswer.Granted grant)
    {
        // Asking again mostly changes nothing but how long it still lasts; counting a dictionary takes all of its locks.
        if (byHolder.TryGetValue(holder, out var known))
        {
            if (known.Grant with { EndsIn = grant.EndsIn, LeaseEndsIn = grant.LeaseEndsIn } == grant) return;
        }
        else if (byHolder.Count >= Most)
        {
            byHolder.Clear();
        }

        byHolder[holder] = (grant, time.GetTimestamp());
    }

    public void Forget(string holder) => byHolder.TryRemove(holder, out _);

    /// <summary>The holder's grant as far as its time still runs; null when nothing is remembered or it is over.</summary>
    public ClaimAnswer.Granted? Find(string holder)
    {
        if (!byHolder.TryGetValue(holder, out var known)) return null;
        var passed = time.GetElapsedTime(known.At);
        return known.Grant.EndsIn > passed
            ? known.Grant with { EndsIn = known.Grant.EndsIn - passed, LeaseEndsIn = known.Grant.LeaseEndsIn - passed }
            : null;
    }
}
