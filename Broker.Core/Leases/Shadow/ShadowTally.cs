namespace Broker.Core.Leases.Shadow;

/// <summary>A lease that the Vault behind gave to a client, known by hashes alone.</summary>
/// <param name="Path">The path that was read.</param>
/// <param name="Lease">The lease.</param>
/// <param name="Holder">The client: the same for all reads of one pod.</param>
/// <param name="EndsAt">When it ends unless it is renewed.</param>
internal sealed record ShadowLease(string Path, string Lease, string Holder, DateTimeOffset EndsAt);

/// <summary>The reads at one path.</summary>
/// <param name="Path">The path.</param>
/// <param name="Role">The path's broker role; null: none.</param>
/// <param name="Since">Its first read.</param>
/// <param name="Users">Reads, and so database users that were made.</param>
/// <param name="UsersShared">Database users that would have been made for them by sharing.</param>
/// <param name="SharedSince">When the last of those would have been made.</param>
/// <param name="MostLeases">The most leases at once.</param>
/// <param name="MostHolders">The most holders at once.</param>
internal sealed record ShadowPath(string Path, string? Role, DateTimeOffset Since, long Users, long UsersShared, DateTimeOffset SharedSince, int MostLeases, int MostHolders);

/// <summary>Everything that a replica has seen: the paths, the living leases, and those that were given up.</summary>
internal sealed record ShadowSeen(IReadOnlyDictionary<string, ShadowPath> Paths, IReadOnlyDictionary<string, ShadowLease> Leases, IReadOnlyDictionary<string, DateTimeOffset> Ended);

/// <summary>
/// Counts what clients read of the Vault behind while the broker only watches, and what sharing would have made of it: one user for all simultaneous
/// holders, for as long as the role's leases live, and one holder for all reads of one pod. Its memory is bounded; beyond that it
/// counts too little.
/// </summary>
internal sealed class ShadowTally(TimeProvider time)
{
    /// <summary>How many paths are counted.</summary>
    public const int MostPaths = 1_000;

    /// <summary>How many living leases, and how many given up, are known at once.</summary>
    public const int MostLeases = 10_000;

    // A lease of the broker's takes holders until half of its longest life is over, and is kept for a while without holders.
    private static readonly TimeSpan Kept = TimeSpan.FromMinutes(10);

    // Another replica may have seen the lease read, and reports it until it hears of its end.
    private static readonly TimeSpan EndsTold = TimeSpan.FromDays(1);

    private readonly Lock gate = new();
    private readonly Dictionary<string, ShadowLeases> paths = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ShadowLeases> byLease = new(StringComparer.Ordinal);
    private readonly Dictionary<string, DateTimeOffset> ended = new(StringComparer.Ordinal);
    private readonly Queue<string> endedInOrder = new();

    /// <summary>All so far.</summary>
    public ShadowSeen Seen
    {
        get
        {
            lock (gate)
            {
                var now = time.GetUtcNow();
                foreach (var path in paths.Values) Forget(path.Over(now));
                return new(
                    paths.Values.Where(path => path.Counts is not null).ToDictionary(path => path.Path, path => path.Counts!, StringComparer.Ordinal),
                    paths.Values.SelectMany(path => path.Living).ToDictionary(held => held.Lease, StringComparer.Ordinal),
                    new Dictionary<string, DateTimeOffset>(ended, StringComparer.Ordinal));
            }
        }
    }

    /// <summary>A client read, and got a lease of its own.</summary>
    public void Read(string path, string? role, string lease, string holder, TimeSpan duration, TimeSpan longestLife)
    {
        lock (gate)
        {
            if (PathOf(path) is not { } leases) return;
            var now = time.GetUtcNow();
            Forget(leases.Over(now));
            var known = leases.Counts ?? new(path, role, now, 0, 0, DateTimeOffset.MinValue, 0, 0);
            var shared = leases.LastEnd + Kept > now && now - known.SharedSince < longestLife / 2;
            if (!shared) known = known with { UsersShared = known.UsersShared + 1, SharedSince = now };
            Put(leases, new(path, lease, holder, now + duration));
            leases.Counts = known with
            {
                Role = role,
                Users = known.Users + 1,
                MostLeases = Math.Max(known.MostLeases, leases.Count),
                MostHolders = Math.Max(known.MostHolders, leases.Holders),
            };
        }
    }

    /// <summary>A lease was renewed; one that another replica saw being read is known from here on.</summary>
    public void Renewed(string path, string lease, string holder, TimeSpan duration)
    {
        lock (gate)
        {
            if (PathOf(path) is not { } leases) return;
            var now = time.GetUtcNow();
            Forget(leases.Over(now));
            Put(leases, new(path, lease, holder, now + duration));
        }
    }

    /// <summary>A lease was given up.</summary>
    public void Ended(string lease)
    {
        lock (gate)
        {
            if (byLease.Remove(lease, out var leases)) leases.Remove(lease);
            var now = time.GetUtcNow();
            while (endedInOrder.TryPeek(out var first) && (ended.Count >= MostLeases || ended[first] + EndsTold <= now)) ended.Remove(endedInOrder.Dequeue());
            if (ended.TryAdd(lease, now)) endedInOrder.Enqueue(lease);
        }
    }

    private ShadowLeases? PathOf(string path)
    {
        if (paths.TryGetValue(path, out var known)) return known;
        if (paths.Count >= MostPaths) return null;
        return paths[path] = new(path);
    }

    // If there is no room, the lease of its path that would end first is forgotten.
    private void Put(ShadowLeases leases, ShadowLease held)
    {
        if (!byLease.ContainsKey(held.Lease) && byLease.Count >= MostLeases)
        {
            if (leases.First is not { } first) return;
            byLease.Remove(first.Lease);
            leases.Remove(first.Lease);
        }

        if (byLease.TryGetValue(held.Lease, out var before) && before != leases) before.Remove(held.Lease);
        byLease[held.Lease] = leases;
        leases.Put(held);
    }

    private void Forget(IEnumerable<ShadowLease> over)
    {
        foreach (var held in over) byLease.Remove(held.Lease);
    }
}
