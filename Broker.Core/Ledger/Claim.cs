using Broker.Core.Ledger.Wire;

namespace Broker.Core.Ledger;

/// <summary>What a claim is for.</summary>
public enum ClaimKind
{
    /// <summary>Connections and a login, for a holder that may be new.</summary>
    Claim,

    /// <summary>A known holder renews; it moves to another lease when its own runs out.</summary>
    Renew,

    /// <summary>A known holder renews and stays on its lease, because it cannot move now.</summary>
    Stay,
}

/// <summary>What all claims on a role have in common.</summary>
/// <param name="Name">The role.</param>
/// <param name="Seats">Holders to leave room for: those expected and their surge. 0: not known.</param>
/// <param name="HolderTtl">How long a holder lives without renewal.</param>
/// <param name="MaxHolders">Holders per lease.</param>
/// <param name="IdleTtl">How long a lease without holders is kept.</param>
public sealed record RoleTerms(string Name, int Seats, TimeSpan HolderTtl, int MaxHolders, TimeSpan IdleTtl);

/// <summary>One claim on a database's connections and on a lease.</summary>
/// <param name="Holder">The holder's id; begins with the role's name and a dot.</param>
/// <param name="Role">The role's terms.</param>
/// <param name="Pool">The pool whose lease it may share.</param>
/// <param name="Want">Connections wanted, 1 or more.</param>
/// <param name="Least">The fewest connections it accepts, 1 to <paramref name="Want"/>.</param>
/// <param name="IssueWait">How long it would wait for a lease to be issued.</param>
/// <param name="LineWait">How long it would wait in line for connections; zero: not at all.</param>
/// <param name="Kind">What it is for.</param>
/// <param name="Caller">Shown to DBAs beside the holder.</param>
public sealed record Claim(
    string Holder, RoleTerms Role, string Pool, int Want, int Least, TimeSpan IssueWait, TimeSpan LineWait, ClaimKind Kind, string Caller)
{
    /// <summary>The node its pod runs on; null: not known.</summary>
    public string? Node { get; init; }

    /// <summary>The team it is counted with; null: none.</summary>
    public string? Team { get; init; }

    /// <summary>The party that it belongs to: a team with its own terms, or its role.</summary>
    public string Party { get; init; } = Role.Name;

    /// <summary>Whether it may later be given more, up to <see cref="Want"/>, and asked to go down, to <see cref="Least"/>, when it follows sizes (default true). One that may not keeps what it has when it claims again, also where that is less than <see cref="Least"/>.</summary>
    public bool Breathes { get; init; } = true;

    /// <summary>
    /// Whether the holder, new or not, should live for its role's whole time without a sign of life, or for a third of its lease's life where that
    /// is less, because its client relies on a time that it was told (default false: half the holder's time is enough for one that asks again).
    /// </summary>
    public bool Lasts { get; init; }

    /// <summary>
    /// In a renewal: the allotment that it keeps to, 0 as long as it was told none. Null: it does not follow sizes, and keeps its size.
    /// </summary>
    public long? Allotment { get; init; }

    /// <summary>Connections wanted before the limit of the caller or its team reduced them.</summary>
    public int Asked { get; init; } = Want;

    /// <summary>Whether another claim differs from this one only in its holder.</summary>
    internal bool AsksLike(Claim other) =>
        Kind == other.Kind && Want == other.Want && Least == other.Least && IssueWait == other.IssueWait && LineWait == other.LineWait
        && Pool == other.Pool && Role == other.Role && Party == other.Party && Breathes == other.Breathes && Lasts == other.Lasts && Allotment == other.Allotment;
}

/// <summary>The ledger's answer to a claim.</summary>
public abstract record ClaimAnswer
{
    /// <summary>The connections are reserved and the lease is the holder's.</summary>
    /// <param name="Lease">The lease.</param>
    /// <param name="Connections">Connections granted.</param>
    /// <param name="EndsAt">The holder's end, by the ledger's clock.</param>
    /// <param name="LeaseEndsAt">The lease's end, by the ledger's clock.</param>
    /// <param name="VerifiedAt">When the lease's login was last tried and worked.</param>
    /// <param name="Overlap">
    /// Null: it has the lease it had. Else the holder had another before, and the connections on that one may stay open beside the new
    /// ones for this long, and count for as long; zero: they are closed before new ones are opened.
    /// </param>
    /// <param name="Leaving">The lease takes no more holders: this one moves as soon as it can.</param>
    /// <param name="CapLeaves">
    /// What the database's own cap on the lease's user leaves beyond all that its holders have; below 0: the cap has to be raised before
    /// the grant leaves. Null: the user is not capped.
    /// </param>
    /// <param name="Beside">The lease on which connections may stay open during the overlap; null: none.</param>
    /// <param name="BesideConnections">How many; null: none.</param>
    /// <param name="DownTo">
    /// The size that it is asked to go down to and has not confirmed: until then <paramref name="Connections"/> count. Null: it keeps its size.
    /// </param>
    /// <param name="Allotment">The number of the size that it is told; sent back, it confirms that the holder keeps to it. Null: it does not follow sizes.</param>
    /// <param name="Range">What it accepts, its allotment and its party, as the ledger reads them back; null: not told this time.</param>
    /// <param name="Fewer">
    /// Why it has fewer connections than it wants, when that is known: <c>kept N</c> (room is kept for N others), <c>guaranteed N</c> (of what
    /// is free, N are guaranteed to others), <c>free N</c> (no more were free), <c>user N</c> (the database lets one user open no more),
    /// <c>follows N</c> (N is its part, and its renewals tell it of changes).
    /// </param>
    /// <param name="BesideEndsAt">Until when they may stay open; null: there are none.</param>
    public sealed record Granted(
        string Lease, int Connections, DateTimeOffset EndsAt, DateTimeOffset LeaseEndsAt, DateTimeOffset VerifiedAt, TimeSpan? Overlap, bool Leaving,
        int? CapLeaves, string? Beside, int? BesideConnections, int? DownTo = null, long? Allotment = null, string? Range = null, string? Fewer = null,
        DateTimeOffset? BesideEndsAt = null) : ClaimAnswer
    {
        /// <summary>The most that it accepts; null: not told.</summary>
        public int? Most => Range?.Split(':') is [_, var most, ..] ? WireText.Int32(most) : null;

        /// <summary>The size that the holder has to keep to.</summary>
        public int Size => DownTo ?? Connections;

        /// <summary>The mark at which this was granted; later grants of the same holder have a higher mark.</summary>
        public long Mark { get; internal set; }

        /// <summary>The ledger's time when it was granted.</summary>
        public DateTimeOffset Now { get; internal set; }

        /// <summary>Until the holder's end.</summary>
        public TimeSpan EndsIn => EndsAt - Now;

        /// <summary>Until the lease's end.</summary>
        public TimeSpan LeaseEndsIn => LeaseEndsAt - Now;

        /// <summary>The same, this much later: the times within which it has to close something are shorter by that.</summary>
        public Granted After(TimeSpan passed) =>
            passed == TimeSpan.Zero ? this : this with { Now = Now + passed, Overlap = Overlap is { } overlap ? TimeSpan.FromTicks(Math.Max(0, (overlap - passed).Ticks)) : null };
    }

    /// <summary>The pool has no lease: this caller issues it, under this fencing number, not before <paramref name="StartsIn"/>.</summary>
    public sealed record Issue(string Lease, long Fence, TimeSpan StartsIn) : ClaimAnswer;

    /// <summary>Somebody else is already issuing the pool's lease.</summary>
    public sealed record Wait(string Lease, TimeSpan StartsIn) : ClaimAnswer;

    /// <summary>In line for connections, at this place (1 is next).</summary>
    public sealed record InLine(int Place, int Free, int Capacity) : ClaimAnswer;

    /// <summary>
    /// Too few connections are free; <paramref name="Ceiling"/>: what could be promised if nobody else used the database; null
    /// <paramref name="NextEndIn"/>: there are no holders.
    /// </summary>
    public sealed record Exhausted(int Free, int CouldAskFor, int Capacity, int Ceiling, TimeSpan? NextEndIn) : ClaimAnswer;

    /// <summary>The line is full.</summary>
    public sealed record LineFull(int Free, int Capacity) : ClaimAnswer;

    /// <summary>The database's pace allows the needed user only then; the moment is reserved for this holder's pool.</summary>
    public sealed record Throttled(TimeSpan StartsIn) : ClaimAnswer;

    /// <summary>Issuing failed a moment ago; the next attempt is not made before <paramref name="RetryIn"/> (law L12).</summary>
    public sealed record Failed(TimeSpan RetryIn, string Why) : ClaimAnswer;

    /// <summary>The database's connections could not be counted recently: nothing new is promised.</summary>
    public sealed record Stale : ClaimAnswer;

    /// <summary>The database lets a user of the role open no more than this many connections, which is fewer than the claim accepts.</summary>
    public sealed record UserLimit(int Limit) : ClaimAnswer;

    /// <summary>An operator's order: the role gives nothing to new callers, or, if it is drained, no more time either.</summary>
    public sealed record Paused : ClaimAnswer;

    /// <summary>No such holder.</summary>
    public sealed record Unknown : ClaimAnswer;

    /// <summary>
    /// The claim may have been sent before its holder was released, so it gets nothing. A caller that still wants something claims again at once.
    /// </summary>
    public sealed record Late : ClaimAnswer;
}
