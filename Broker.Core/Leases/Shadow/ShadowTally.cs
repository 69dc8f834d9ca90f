using System.Collections.Immutable;

namespace Broker.Core.Leases.Shadow;

/// <summary>A lease that the Vault behind gave to somebody, known by hashes alone.</summary>
/// <param name="Path">What was read.</param>
/// <param name="Lease">Which it is.</param>
/// <param name="Holder">Who has it: the same for all reads of one pod.</param>
/// <param name="EndsAt">When it ends unless it is renewed.</param>
internal sealed record ShadowLease(string Path, string Lease, string Holder, DateTimeOffset EndsAt);

/// <summary>What was read at one path.</summary>
/// <param name="Path">The path.</param>
/// <param name="Role">The broker role that it stands for; null: none.</param>
/// <param name="Since">Its first read.</param>
/// <param name="Users">Reads, and so database users that were made.</param>
/// <param name="UsersShared">Database users that would have been made for them by sharing.</param>
/// <param name="SharedSince">When the last of those would have been made.</param>
/// <param name="MostLeases">The most leases at once.</param>
/// <param name="MostHolders">The most holders at once.</param>
internal sealed record ShadowPath(string Path, string? Role, DateTimeOffset Since, long Users, long UsersShared, DateTimeOffset SharedSince, int MostLeases, int MostHolders);

/// <summary>All that a replica has seen.</summary>
internal sealed record ShadowSeen(ImmutableDictionary<string, ShadowPath> Paths, ImmutableDictionary<string, ShadowLease> Leases, ImmutableDictionary<string, DateTimeOffset> Ended)
{
    public static ShadowSeen Nothing { get; } = new(ImmutableDictionary<string, ShadowPath>.Empty, ImmutableDictionary<string, ShadowLease>.Empty, ImmutableDictionary<string, DateTimeOffset>.Empty);
}

/// <summary>
/// Counts what clients read of the Vault behind while the broker only looks on, and what sharing would have made of it: one user for all who hold
/// one at the same time, for as long as the role's leases live, and one holder for all reads of one pod.
/// </summary>
internal sealed class ShadowTally(TimeProvider time)
{
    // A lease of the broker's takes holders until half of its longest life is over, and is kept for a while without holders.
    private static readonly TimeSpan Kept = TimeSpan.FromMinutes(10);

    private readonly Lock gate = new();
    private ShadowSeen seen = ShadowSeen.Nothing;

    /// <summary>All so far.</summary>
    public ShadowSeen Seen
    {
        get
        {
            lock (gate) return seen = Living(seen, time.GetUtcNow());
        }
    }

    /// <summary>Somebody read, and was given a lease of its own.</summary>
    public void Read(string path, string? role, string lease, string holder, TimeSpan duration, TimeSpan longestLife)
    {
        lock (gate)
        {
            var now = time.GetUtcNow();
            var known = seen.Paths.GetValueOrDefault(path) ?? new(path, role, now, 0, 0, DateTimeOffset.MinValue, 0, 0);
            var shared = seen.Leases.Values.Any(held => held.Path == path && held.EndsAt + Kept > now) && now - known.SharedSince < longestLife / 2;
            if (!shared) known = known with { UsersShared = known.UsersShared + 1, SharedSince = now };
            seen = Living(seen, now);
            seen = seen with { Leases = seen.Leases.SetItem(lease, new(path, lease, holder, now + duration)) };
            var there = seen.Leases.Values.Where(held => held.Path == path && held.EndsAt > now).ToList();
            known = known with
            {
                Role = role,
                Users = known.Users + 1,
                MostLeases = Math.Max(known.MostLeases, there.Count),
                MostHolders = Math.Max(known.MostHolders, there.DistinctBy(held => held.Holder).Count()),
            };
            seen = seen with { Paths = seen.Paths.SetItem(path, known) };
        }
    }

    /// <summary>A lease was renewed; one that another replica saw read is known from here on.</summary>
    public void Renewed(string path, string lease, string holder, TimeSpan duration)
    {
        lock (gate) seen = seen with { Leases = seen.Leases.SetItem(lease, new(path, lease, holder, time.GetUtcNow() + duration)) };
    }

    /// <summary>A lease was given up.</summary>
    public void Ended(string lease)
    {
        lock (gate) seen = seen with { Leases = seen.Leases.Remove(lease), Ended = seen.Ended.SetItem(lease, time.GetUtcNow()) };
    }

    // What ended stays as long as it says whether a shared user would still have been there.
    private static ShadowSeen Living(ShadowSeen seen, DateTimeOffset now) => seen with
    {
        Leases = seen.Leases.RemoveRange(seen.Leases.Values.Where(held => held.EndsAt + Kept <= now).Select(held => held.Lease).ToList()),
        Ended = seen.Ended.RemoveRange(seen.Ended.Where(ended => ended.Value + TimeSpan.FromDays(1) <= now).Select(ended => ended.Key).ToList()),
    };
}
