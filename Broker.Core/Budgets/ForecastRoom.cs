namespace Broker.Core.Budgets;

/// <summary>
/// The room that others leave for a rollout: what they have or is kept for them now, and how much of it they cannot give back. Its arithmetic is that of
/// <c>share</c> and <c>kept_from</c> (<c>common.lua</c>) and of the floors in <c>fair.lua</c>, without the steps in between.
/// </summary>
internal sealed class ForecastRoom
{
    private readonly int capacity;
    private readonly int ownGuaranteed;
    private readonly string ownParty;
    private readonly Dictionary<string, Party> parties = new(StringComparer.Ordinal);
    private readonly List<ForecastHolder> others = [];

    /// <param name="role">The role that is rolled out; null: one that holds nothing.</param>
    /// <param name="capacity">All that may be promised.</param>
    /// <param name="holders">All who hold something.</param>
    /// <param name="guaranteed">By party; null: nothing.</param>
    public ForecastRoom(string? role, int capacity, IReadOnlyList<ForecastHolder> holders, IReadOnlyDictionary<string, int>? guaranteed)
    {
        this.capacity = capacity;
        var own = role is null ? [] : holders.Where(holder => holder.Role == role).ToArray();
        Own = own.Sum(holder => (long)holder.Connections);
        // The new pods belong to the same callers as the old ones.
        ownParty = own.GroupBy(holder => holder.Party).OrderByDescending(party => party.Count()).FirstOrDefault()?.Key ?? role ?? "";
        ownGuaranteed = guaranteed?.GetValueOrDefault(ownParty) ?? 0;
        foreach (var (name, connections) in guaranteed ?? new Dictionary<string, int>())
        {
            if (name != ownParty) Of(name).Guaranteed = connections;
        }

        foreach (var holder in holders)
        {
            if (role is not null && holder.Role == role) continue;
            others.Add(holder);
            Count(holder, 1);
        }
    }

    /// <summary>What the role's own pods hold, which counts towards the rollout because it replaces them.</summary>
    public long Own { get; }

    /// <summary>What the rollout's pods can have at once.</summary>
    public long AtOnce => Best(
        capacity - parties.Values.Sum(party => party.Has),
        parties.Values.Sum(party => Math.Max(0, party.Guaranteed - party.DownTo)),
        OthersOfOwn.DownTo);

    /// <summary>What they can have once holders that follow sizes have gone down as far as possible: to their minimum, and no party below its guarantee.</summary>
    public long InTheEnd => Best(
        capacity - parties.Values.Sum(party => party.Floor),
        parties.Values.Sum(party => Math.Max(0, party.Guaranteed - party.Floor)),
        OthersOfOwn.Floor);

    /// <summary>After how long enough others have ended to free this many connections; null when even all of them do not suffice.</summary>
    public TimeSpan? WhenFree(long needed)
    {
        foreach (var holder in others.OrderBy(holder => holder.EndsIn))
        {
            Count(holder, -1);
            if (InTheEnd >= needed) return holder.EndsIn > TimeSpan.Zero ? holder.EndsIn : TimeSpan.Zero;
        }

        return null;
    }

    private Party OthersOfOwn => parties.GetValueOrDefault(ownParty) ?? Party.None;

    // What is kept for others is not available, but what is guaranteed to the rollout's own party is.
    private long Best(long free, long kept, long ownHas) => Math.Max(0, Math.Max(free - kept, Math.Min(free, ownGuaranteed - ownHas)));

    private void Count(ForecastHolder holder, int by)
    {
        var party = Of(holder.Party);
        party.Has += by * holder.Connections;
        party.DownTo += by * holder.DownTo;
        party.Least += by * holder.Least;
    }

    private Party Of(string name)
    {
        if (!parties.TryGetValue(name, out var party)) parties[name] = party = new();
        return party;
    }

    private sealed class Party
    {
        public static Party None { get; } = new();

        public long Has { get; set; }

        public long DownTo { get; set; }

        public long Least { get; set; }

        public int Guaranteed { get; set; }

        public long Floor => Math.Max(Least, Math.Min(Guaranteed, DownTo));
    }
}
