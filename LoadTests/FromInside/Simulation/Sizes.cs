using Broker.Core.Leases;

namespace LoadTests.FromInside.Simulation;

/// <summary>
/// What a pod that follows sizes was told of them, and what it says: it opens more at once, and says a smaller size only when no more is open. As long as it has not
/// said that, it may open again what still counts as its own.
/// </summary>
internal sealed class Sizes(Following plan, World world)
{
    private long told; // the last size that it heard
    private long livesBy; // the last that it keeps to
    private TimeSpan? dueAt; // when it is to keep to the last one; null: it does

    /// <summary>What it says with a renewal.</summary>
    public long Says => livesBy;

    /// <summary>Whether it is time to have closed what is too many.</summary>
    public bool IsDue => dueAt <= world.Now;

    /// <summary>Connections that it may have open under a grant.</summary>
    public int Most(Grant held) => dueAt is null ? held.Connections : held.Counted;

    /// <summary>Of two answers on their way at once, one of which is older: it is passed over.</summary>
    public bool IsOld(Grant grant) => grant.Allotment < told;

    /// <summary>It took what it was granted. A claim's answer has no sequence number: with it the pod starts again.</summary>
    public void Take(Grant grant)
    {
        var keepsAlready = grant.Allotment is not null && grant.Allotment == livesBy;
        if (grant.Allotment is null) livesBy = 0;
        if (grant.Connections == grant.Counted) (dueAt, livesBy) = (null, grant.Allotment ?? 0);
        else if (!keepsAlready) dueAt ??= world.Now + plan.ConfirmsAfter;
        told = grant.Allotment ?? told;
    }

    /// <summary>No more is open than it was told: it says so with its next renewal.</summary>
    public void Keep() => (dueAt, livesBy) = (null, told);

    /// <summary>Another holder begins, which was told nothing.</summary>
    public void BeginAgain() => (told, livesBy, dueAt) = (0, 0, null);
}
