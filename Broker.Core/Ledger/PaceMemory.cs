using System.Collections.Concurrent;

namespace Broker.Core.Ledger;

/// <summary>
/// How one replica's attempts to issue used up a database's pace, by the ledger's time: it is restored to a ledger that lost it, so that a loss makes
/// issuing no faster (law L12).
/// </summary>
internal sealed class PaceMemory
{
    private readonly Lock gate = new();
    private readonly ConcurrentDictionary<string, RememberedPause> pauses = new(StringComparer.Ordinal);

    /// <summary>How far the users begun so far are ahead of the pace; null: there were none.</summary>
    public DateTimeOffset? PacedTo { get; private set; }

    /// <summary>The pools that pause after a failure, and some whose pause is over.</summary>
    public IReadOnlyList<RememberedPause> Pauses => [.. pauses.Values];

    public void Began(DateTimeOffset pacedTo)
    {
        lock (gate)
        {
            if (PacedTo is null || pacedTo > PacedTo) PacedTo = pacedTo;
        }
    }

    public void Paused(RememberedPause pause, DateTimeOffset now)
    {
        foreach (var (pool, other) in pauses)
        {
            if (other.Till <= now) pauses.TryRemove(pool, out _);
        }

        pauses[pause.Pool] = pause;
    }
}

/// <summary>A pool that issues nothing for a while.</summary>
/// <param name="Pool">The pool.</param>
/// <param name="Till">Until when, by the ledger's time.</param>
/// <param name="Failures">How often in a row it failed.</param>
/// <param name="Why">Why it last failed.</param>
internal sealed record RememberedPause(string Pool, DateTimeOffset Till, int Failures, string Why);
