namespace LoadTests.FromInside.Simulation;

/// <summary>
/// What the ledger lost, and what that may cost: what docs/failure.md says, and nothing else. A promise that some replica heard of,
/// and that replica can tell the ledger of within the time for which the ledger waits for it, is kept as if nothing had been lost.
/// </summary>
internal sealed class Losses(World world)
{
    // As long as a ledger that lost something grants nothing new: replicas tell it what they remember.
    private static readonly TimeSpan Hearing = TimeSpan.FromSeconds(5);

    // A holder that had moved off a lease that was revoked in the lost seconds may be led back to its login for this long.
    private static readonly TimeSpan LedBack = TimeSpan.FromSeconds(10);

    // By then each replica that can has been round, and said what it wrote last: a quarter of a second after the answer to its round before, and a
    // round trip, which takes a tenth of one at most here (LedgerLink).
    private static readonly TimeSpan Noticed = TimeSpan.FromMilliseconds(350);

    // By then everything that is remembered has been told.
    private static readonly TimeSpan Told = TimeSpan.FromSeconds(15);

    private readonly List<Loss> losses = [];
    private readonly HashSet<(string Holder, TimeSpan PromisedAt)> forgotten = [];
    private readonly Dictionary<string, TimeSpan> dropped = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (TimeSpan At, Replica By)> released = new(StringComparer.Ordinal);

    /// <summary>The ledger has just lost something.</summary>
    /// <param name="before">What it knew.</param>
    /// <param name="after">What it knows.</param>
    public void Add(LedgerView before, LedgerView after)
    {
        var lost = before.Holders.Where(had => !Same(had.Value, before, after)).Select(had => had.Key).ToHashSet(StringComparer.Ordinal);
        var loss = new Loss(world.Now, lost);
        losses.Add(loss);
        world.Trace.Say($"the ledger lost what {lost.Count} holders were promised");
        var at = world.Now;
        world.At(at + Told, () =>
        {
            loss.Uncounted = world.Pods.Where(pod => !IsCounted(pod)).Select(pod => (pod.HolderId, pod.PromisedAt)).ToHashSet();
            IsOver(at);
        });
    }

    /// <summary>A user goes.</summary>
    public void Dropped(string user) => dropped[user] = world.Now;

    /// <summary>A replica told a pod that it has left. Whether the ledger lost something since the pod asked: then it may not know that yet.</summary>
    public bool Released(string holder, TimeSpan asked, Replica by)
    {
        var now = world.Now;
        released[holder] = (now, by);
        if (!losses.Exists(loss => loss.At >= asked)) return false;
        world.At(now + Told, () => IsOver(now));
        return true;
    }

    /// <summary>The pod was granted something again: it has not left, whatever happened before.</summary>
    public void Came(string holder) => released.Remove(holder);

    /// <summary>
    /// Whether what the pod was promised may be forgotten: the ledger lost it, and no replica that heard of it could tell in time. A pod that was promised nothing
    /// and has nothing open has nothing that could be.
    /// </summary>
    public bool MayForget(Pod pod) =>
        (pod.Held is not null || pod.HasOpen) && losses.Exists(loss => loss.Holders.Contains(pod.HolderId) && WasPromisedBefore(pod, loss) && IsSilent(pod.PromisedBy, loss.At));

    /// <summary>Whether what some pods were promised may be forgotten, which had not been found before.</summary>
    public bool MayForgetAnother()
    {
        var found = false;
        foreach (var pod in world.Pods) found |= MayForget(pod) && forgotten.Add((pod.HolderId, pod.PromisedAt));
        return found;
    }

    // What was decided before the loss may be heard of after it: what was asked for before, and the ledger does not count when everything was told. What it
    // counts then, and no more later, it did not forget.
    private bool WasPromisedBefore(Pod pod, Loss loss) =>
        pod.PromisedAt <= loss.At || (pod.AskedForAt <= loss.At && (loss.Uncounted?.Contains((pod.HolderId, pod.PromisedAt)) ?? !IsCounted(pod)));

    private bool IsCounted(Pod pod) => world.Laws.View.Holders.TryGetValue(pod.HolderId, out var counted) && counted.Holds && !(counted.Connections < pod.Held?.Counted);

    /// <summary>Whether a pod may have been told of this user though it was gone: the ledger fell back to before it was dropped.</summary>
    public bool MayLeadBackTo(string user) =>
        dropped.TryGetValue(user, out var at) && losses.Exists(loss => loss.At >= at && world.Now - loss.At <= LedBack);

    /// <summary>Whether the ledger lost records since then, and no replica can have told it yet: it decides by what it knows.</summary>
    public bool IsUnnoticed(TimeSpan since) => losses.Exists(loss => loss.At >= since && world.Now - loss.At <= Noticed);

    /// <summary>When a user was dropped; null: it was not.</summary>
    public TimeSpan? DroppedAt(string user) => dropped.TryGetValue(user, out var at) ? at : null;

    // A holder that was released before the loss, or answered at that moment, is no longer counted, if a replica that was told of it can say so.
    private void IsOver(TimeSpan lostAt)
    {
        foreach (var (holder, (at, by)) in released)
        {
            // A holder whose end has come is counted until the next claim reaches the ledger, which harms nobody.
            if (at <= lostAt && !IsSilent(by, lostAt) && world.Laws.View.Holders.TryGetValue(holder, out var counted) && counted.Till > world.Laws.LedgerNow
                && !losses.Exists(later => later.At > lostAt) && !world.Ledger.Unsure.Overlaps(lostAt, world.Now))
                world.Laws.Break("L10", $"{holder} was released at {at.TotalSeconds:0.000}, and the ledger, which lost something since, counts it still");
        }
    }

    private bool IsSilent(Replica? witness, TimeSpan lostAt) =>
        witness is null || witness.Silent.Overlaps(lostAt, lostAt + Hearing) || world.Ledger.Unsure.Overlaps(lostAt, lostAt + Hearing);

    private static bool Same(HolderView had, LedgerView before, LedgerView after) =>
        after.Holders.TryGetValue(had.Id, out var has) && has == had && (had.Lease.Length == 0 || LeaseOf(after, had) == LeaseOf(before, had));

    private static LeaseView? LeaseOf(LedgerView view, HolderView holder) => view.Leases.GetValueOrDefault(holder.Lease) is { } lease
        ? lease with { Holders = 0, Connections = 0, Reason = "" }
        : null;

    private sealed record Loss(TimeSpan At, IReadOnlySet<string> Holders)
    {
        /// <summary>Which promises the ledger did not count when everything that is remembered had been told; null: that moment has not come.</summary>
        public HashSet<(string Holder, TimeSpan PromisedAt)>? Uncounted { get; set; }
    }
}

/// <summary>Spans of time in which something is not so well as it might be.</summary>
internal sealed class Spans(Timeline timeline)
{
    private readonly List<(TimeSpan From, TimeSpan? To)> spans = [];
    private int open;

    /// <summary>One begins; several may overlap.</summary>
    public void Begin()
    {
        if (open++ == 0) spans.Add((timeline.Now, null));
    }

    /// <summary>One ends.</summary>
    public void End()
    {
        if (open > 0 && --open == 0) spans[^1] = (spans[^1].From, timeline.Now);
    }

    /// <summary>Whether any touches the time between two moments.</summary>
    public bool Overlaps(TimeSpan from, TimeSpan to) => spans.Exists(span => span.From <= to && (span.To ?? TimeSpan.MaxValue) >= from);
}
