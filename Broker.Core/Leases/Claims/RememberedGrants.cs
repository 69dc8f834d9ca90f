using System.Collections.Concurrent;
using BitFaster.Caching.Lru;
using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Core.Leases.Claims;

/// <summary>
/// The grants of this replica, so that a holder that asks again while the ledger is away is answered, and a ledger that lost
/// something is told: the holder has its connections already, so nothing new is promised. Ended grants are remembered as well, by
/// every replica, for as long as another may remember that it began. What is answered from memory ends by whichever of this replica's stopwatch, its clock
/// and the ledger's time says so first; what the ledger is told, and what is remembered at all, ends by the stopwatch alone (law L9).
/// Grants that are over are forgotten; of too many, the one used least recently.
/// </summary>
internal sealed class RememberedGrants(TimeProvider time, int most = RememberedGrants.Most)
{
    /// <summary>How many grants are remembered at most.</summary>
    public const int Most = 100_000;

    private static readonly TimeSpan SweepEvery = TimeSpan.FromMinutes(1);

    /// <summary>How long after the ledger's last answer a replica trusts its memory.</summary>
    public static readonly TimeSpan BelievedFor = TimeSpan.FromMinutes(5);

    // A grant is answered three seconds after it was decided at most.
    private static readonly TimeSpan LateAnswers = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<string, (long Mark, DateTimeOffset Now, Moment At)> heard = new(StringComparer.Ordinal);
    private readonly FastConcurrentLru<string, Remembered> byHolder = new(Environment.ProcessorCount, most, StringComparer.Ordinal);
    private readonly FastConcurrentLru<string, Remembered> strangers = new(Environment.ProcessorCount, Math.Max(3, most / 10), StringComparer.Ordinal);
    private readonly FastConcurrentLru<string, Remembered> justGone = new(Environment.ProcessorCount, Math.Max(3, most / 10), StringComparer.Ordinal);
    private readonly FastConcurrentLru<string, Remembered> ordered = new(Environment.ProcessorCount, Math.Max(3, most / 10), StringComparer.Ordinal);
    private readonly TurnOnceIn sweep = new(time);

    /// <summary>How many grants it remembers, of which the last minute's may be over.</summary>
    public int Count => byHolder.Count;

    /// <summary>Remembers a grant, unless its holder is known to have left, or moved on, since.</summary>
    public void Remember(string database, Claim claim, ClaimAnswer.Granted grant)
    {
        if (IsGoneSince(justGone, claim.Holder, grant.Mark) || IsGoneSince(strangers, claim.Holder, grant.Mark)) return;

        // A repeated claim usually changes only the remaining time.
        if (byHolder.TryGet(claim.Holder, out var known) && known.Grant is { } had)
        {
            if (had.Range is not null && grant.Range is null) grant = grant with { Range = had.Range };
            if (!known.IsDoubted && had with { Now = grant.Now, Mark = grant.Mark } == grant) return;
        }

        ForgetEnded();
        var (at, text) = (Moment.Now(time), HolderText.Of(claim));
        Put(claim.Holder, new(database, text, grant.Mark, grant, grant.EndsIn, at));
        if (ordered.TryGet(grant.Lease, out var order) && EndsIn(order) < grant.EndsIn) ordered.AddOrUpdate(grant.Lease, order with { EndsIn = grant.EndsIn, At = at });
        if (grant is not { Beside: { } old, BesideConnections: { } open, BesideEndsAt: { } end }) return;

        // Its connections on its former lease count as a separate promise, as in the ledger.
        var beside = grant with { Lease = old, Connections = open, EndsAt = end, LeaseEndsAt = end };
        Put(BesideOf(claim.Holder), new(database, text, grant.Mark, beside, beside.EndsIn, at));
    }

    /// <summary>Notes that a holder left, or was ended.</summary>
    /// <inheritdoc cref="Gone"/>
    public void Left(string database, string holder, long mark, TimeSpan? endsIn = null)
    {
        Gone(database, holder, mark, stays: false, endsIn);
        Gone(database, BesideOf(holder), mark, stays: false);
    }

    /// <summary>
    /// A holder's release was not answered: it may have been carried out, and the connections may be another's. Nothing is granted to it from memory
    /// until the ledger grants it again; a ledger that lost something is still told of it.
    /// </summary>
    public void Doubt(string database, string holder)
    {
        if (byHolder.TryGet(holder, out var known) && known.Database == database && known.Grant is not null) byHolder.AddOrUpdate(holder, known with { IsDoubted = true });
    }

    /// <summary>
    /// Notes the end of a holder that the ledger does not know. Fewer are remembered of ids that this replica does not know either, because anybody can
    /// make them up, and they never displace others.
    /// </summary>
    /// <param name="database">Its database.</param>
    /// <param name="holder">The holder.</param>
    /// <param name="mark">Its mark in the ledger's history.</param>
    /// <param name="within">The longest that a holder granted before can last.</param>
    public void LeftUnknown(string database, string holder, long mark, TimeSpan within)
    {
        if (byHolder.TryGet(holder, out _)) Left(database, holder, mark, within);
        else strangers.AddOrUpdate(holder, new(database, "", mark, null, within, Moment.Now(time)));
    }

    /// <summary>Forgets a database's holders, because what is remembered may be outdated.</summary>
    public void ForgetAll(string database)
    {
        foreach (var memory in (FastConcurrentLru<string, Remembered>[])[byHolder, strangers, justGone, ordered])
        {
            foreach (var (holder, known) in memory)
            {
                if (known.Database == database) memory.TryRemove(holder);
            }
        }
    }

    /// <summary>
    /// Notes that a holder left, or has another lease since, or that a lease was ordered to be revoked. Of one that is not known the answer may be on its
    /// way still.
    /// </summary>
    /// <param name="database">Its database.</param>
    /// <param name="holder">The holder, or the lease (<see cref="GoneHolder"/>).</param>
    /// <param name="mark">Its mark in the ledger's history.</param>
    /// <param name="stays">Whether it is still a holder.</param>
    /// <param name="endsIn">Until the end it would have had; null: its remembered end, if any.</param>
    public void Gone(string database, string holder, long mark, bool stays, TimeSpan? endsIn = null)
    {
        if (GoneHolder.LeaseIn(holder) is { } lease)
        {
            Ordered(database, lease, mark);
            return;
        }

        var known = byHolder.TryGet(holder, out var remembered) ? remembered : null;
        if ((endsIn ?? (known is null ? null : EndsIn(known))) is { } left)
            Put(holder, new(database, "", mark, null, left, Moment.Now(time)) { Stays = stays });
        else
            justGone.AddOrUpdate(holder, new(database, "", mark, null, LateAnswers, Moment.Now(time)));
    }

    // Its holders' connections count until they end: only its login is handed out no more.
    private void Ordered(string database, string lease, long mark)
    {
        var end = EndsOfLeases(database).TryGetValue(lease, out var told) ? told.EndsIn : TimeSpan.Zero;
        ordered.AddOrUpdate(lease, new(database, "", mark, null, end > LateAnswers ? end : LateAnswers, Moment.Now(time)));
    }

    /// <summary>Whether a holder is known to have left since a moment of the stopwatch, and not to have come again.</summary>
    public bool HasLeft(string holder, long since) =>
        (byHolder.TryGet(holder, out var known) || strangers.TryGet(holder, out known) || justGone.TryGet(holder, out known))
        && known is { Grant: null, Stays: false } && known.At.Stopwatch >= since;

    /// <summary>Takes the ledger's news about holders.</summary>
    public void Hear(string database, DueAnswer told)
    {
        // News was lost, so what is remembered may be outdated.
        if (told.Gap) ForgetAll(database);

        foreach (var (holder, mark, stays) in told.Moved) Gone(database, holder, mark, stays);
        heard[database] = (told.HeardTo, told.Now, Moment.Now(time));
    }

    /// <summary>The ledger's time as this replica last heard it, and the time since; null: it has heard nothing yet.</summary>
    public DateTimeOffset? TimeAt(string database) => heard.TryGetValue(database, out var last) ? last.Now + last.At.Age(time) : null;

    /// <summary>The mark up to which the ledger has reported what happened to a database's holders; 0: nothing yet.</summary>
    public long HeardTo(string database) => heard.TryGetValue(database, out var last) ? last.Mark : 0;

    /// <summary>
    /// The holder's grant as far as its time still runs, by the stopwatch, by the clock, which goes on while the machine is suspended, and by the ledger's time,
    /// which may have leapt since; null when nothing is remembered, it is over, or the memory is too old.
    /// </summary>
    public ClaimAnswer.Granted? Find(string database, string holder)
    {
        if (!byHolder.TryGet(holder, out var known) || known.Database != database || known.IsDoubted || known.Grant?.After(known.At.Age(time)) is not { EndsIn.Ticks: > 0 } grant) return null;
        if (ordered.TryGet(grant.Lease, out _)) return null;
        if (!heard.TryGetValue(database, out var last)) return grant;
        var passed = last.At.Age(time);
        return passed < BelievedFor && last.Now + passed < grant.EndsAt ? grant : null;
    }

    /// <summary>The holders of one database whose time still runs.</summary>
    /// <param name="database">The database.</param>
    /// <param name="since">Only grants remembered since this moment of the stopwatch; null: all.</param>
    public IReadOnlyList<RememberedHolder> HoldersOf(string database, long? since = null) =>
    [
        .. Of(database, since)
            .Select(pair => (pair.Key, pair.Value, Grant: Now(pair.Value)))
            .Where(known => known.Grant?.EndsIn > TimeSpan.Zero)
            .Select(known => new RememberedHolder(known.Key, known.Grant!.Lease, known.Grant.Connections, known.Grant.EndsIn, known.Value.Mark, known.Value.Caller, known.Grant.Range)),
    ];

    /// <summary>
    /// The holders of one database that left, or have something else, and that another replica may still remember as holders; and the leases that were
    /// ordered to be revoked.
    /// </summary>
    /// <inheritdoc cref="HoldersOf"/>
    public IReadOnlyList<GoneHolder> GoneOf(string database, long? since = null) =>
    [
        .. Of(database, since).Concat(Of(strangers, database, since)).Where(pair => pair.Value.Grant is null && EndsIn(pair.Value) > TimeSpan.Zero).Select(pair => new GoneHolder(pair.Key, pair.Value.Mark, pair.Value.Stays)),
        .. Of(ordered, database, since).Where(pair => EndsIn(pair.Value) > TimeSpan.Zero).Select(pair => GoneHolder.OfLease(pair.Key, pair.Value.Mark)),
    ];

    /// <summary>The leases that one database's holders were told of, each with its end as it was last told to one of them.</summary>
    public IReadOnlyDictionary<string, (TimeSpan EndsIn, DateTimeOffset EndsAt)> EndsOfLeases(string database)
    {
        var ends = new Dictionary<string, (TimeSpan EndsIn, DateTimeOffset EndsAt)>(StringComparer.Ordinal);
        foreach (var (_, known) in Of(database, since: null))
        {
            if (Now(known) is not { } grant) continue;
            var end = (grant.LeaseEndsIn, grant.LeaseEndsAt);
            if (!ends.TryGetValue(grant.Lease, out var other) || end.CompareTo(other) > 0) ends[grant.Lease] = end;
        }

        return ends;
    }

    private IEnumerable<KeyValuePair<string, Remembered>> Of(string database, long? since) => Of(byHolder, database, since);

    private static IEnumerable<KeyValuePair<string, Remembered>> Of(FastConcurrentLru<string, Remembered> memory, string database, long? since) =>
        memory.Where(pair => pair.Value.Database == database && (since is null || pair.Value.At.Stopwatch >= since));

    // The ledger's name for the connections of a moving holder on its former lease; no caller's holder has such a name.
    private static string BesideOf(string holder) => holder + "~";

    private bool IsGoneSince(FastConcurrentLru<string, Remembered> memory, string holder, long mark) =>
        memory.TryGet(holder, out var gone) && gone.Mark > mark && EndsIn(gone) > TimeSpan.Zero;

    // Of two memories of a holder, the later one wins.
    private void Put(string holder, Remembered made)
    {
        if (byHolder.TryGet(holder, out var known) && known.Mark > made.Mark) return;
        if (known is { Grant: not null } && made.Grant is null && known.Mark == made.Mark) return; // it was told of its own move
        byHolder.AddOrUpdate(holder, made);
    }

    // Once a minute, by the first caller: scanning all of them costs more than a claim.
    private void ForgetEnded()
    {
        if (!sweep.IsMine(SweepEvery)) return;
        foreach (var (holder, known) in byHolder)
        {
            if (EndsIn(known) <= TimeSpan.Zero) byHolder.TryRemove(holder);
        }
    }

    private TimeSpan EndsIn(Remembered known) => known.EndsIn - known.At.Elapsed(time);

    private ClaimAnswer.Granted? Now(Remembered known) => known.Grant?.After(known.At.Elapsed(time));

    // An entry without a grant means that the holder left, or that it stays with something else.
    private sealed record Remembered(string Database, string Caller, long Mark, ClaimAnswer.Granted? Grant, TimeSpan EndsIn, Moment At)
    {
        public bool Stays { get; init; }

        public bool IsDoubted { get; init; }
    }
}
