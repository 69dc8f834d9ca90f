using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Broker.Core.Leases.Handles;

/// <summary>
/// How long a handle is given. While its lease is current every renewal gives the same: clients that are given less than the first time
/// believe that the lease is ending, and some then restart whole deployments. Once the lease runs out, each handle has a final
/// end of its own, before the lease's.
/// </summary>
internal static class HandleTerms
{
    // A Go LifetimeWatcher reads again at once when it is given less than four times its grace, which is a fifth of the duration at
    // most. Above this it keeps sleeping, so that its next step is spread like the ends
    // (openbao/openbao api/lifetime_watcher.go@249bf013).
    private const double EarliestEnd = 0.82;

    private static readonly TimeSpan ShortestMargin = TimeSpan.FromSeconds(2);

    // A client is told whole seconds, and of none it believes that what it reads never ends, or is over.
    private static readonly TimeSpan Least = TimeSpan.FromSeconds(1);

    /// <summary>
    /// The duration of every handle of a lease: no longer than its holder lives without renewal, and no longer than a third of the lease's
    /// life. A lease that takes holders has half of it left (law L3) and is renewed at a third, so that its issuer may be away for a
    /// third of its life before any handle notices. Whole seconds, at least one.
    /// </summary>
    public static TimeSpan DurationOf(TimeSpan holderTtl, TimeSpan leaseLife)
    {
        var longest = holderTtl < leaseLife / 3 ? holderTtl : leaseLife / 3;
        return TimeSpan.FromSeconds(Math.Max(1, Math.Floor(longest.TotalSeconds)));
    }

    /// <summary>The end of a new handle, from now.</summary>
    /// <param name="id">The handle.</param>
    /// <param name="duration">What it is given while its lease is current.</param>
    /// <param name="leaseEndsIn">The lease's end.</param>
    /// <param name="leaving">Whether the lease runs out, because its holder has no room to move: reading sooner than that would bring its client the same login again.</param>
    /// <returns>Its end, and its final end if it has one already; null: there is too little time left to tell anybody of.</returns>
    public static (TimeSpan EndsIn, TimeSpan? Last)? FirstEnd(string id, TimeSpan duration, TimeSpan leaseEndsIn, bool leaving)
    {
        if (leaseEndsIn < Least) return null;
        var ends = leaseEndsIn < duration ? leaseEndsIn : duration;
        var last = leaving ? LastEnd(id, leaseEndsIn, leaseEndsIn) : TimeSpan.Zero;
        return last < Least ? (ends, null) : (last < ends ? last : ends, last);
    }

    /// <summary>Whether the lease holds a handle for its whole duration, and takes new ones.</summary>
    public static bool IsCurrent(Grant grant, TimeSpan duration) => !grant.Leaving && grant.LeaseEndsIn >= duration;

    /// <summary>The final end of a handle whose lease runs out, from now: before the lease's own, at a moment that depends on its id.</summary>
    public static TimeSpan LastEnd(string id, TimeSpan duration, TimeSpan leaseEndsIn)
    {
        var margin = leaseEndsIn / 10 > ShortestMargin ? leaseEndsIn / 10 : ShortestMargin;
        var longest = leaseEndsIn - margin < duration ? leaseEndsIn - margin : duration;
        return longest * (EarliestEnd + (1 - EarliestEnd) * PlaceOf(id));
    }

    private static double PlaceOf(string id) =>
        BinaryPrimitives.ReadUInt32LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(id))) / (double)uint.MaxValue;
}
