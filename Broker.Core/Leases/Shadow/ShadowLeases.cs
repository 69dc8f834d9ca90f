namespace Broker.Core.Leases.Shadow;

/// <summary>The leases of one path, in the order in which they end, so that no lookup scans the others. Not thread-safe.</summary>
internal sealed class ShadowLeases(string path)
{
    private readonly Dictionary<string, ShadowLease> byName = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> byHolder = new(StringComparer.Ordinal);
    private readonly SortedSet<ShadowLease> byEnd = new(Comparer<ShadowLease>.Create(static (one, other) =>
        one.EndsAt != other.EndsAt ? one.EndsAt.CompareTo(other.EndsAt) : string.CompareOrdinal(one.Lease, other.Lease)));

    private DateTimeOffset lastOver = DateTimeOffset.MinValue;

    public string Path => path;

    /// <summary>The path's counts; null: nothing was read yet.</summary>
    public ShadowPath? Counts { get; set; }

    public IReadOnlyCollection<ShadowLease> Living => byName.Values;

    public int Count => byName.Count;

    public int Holders => byHolder.Count;

    /// <summary>The lease that ends first; null: there is none.</summary>
    public ShadowLease? First => byEnd.Min;

    /// <summary>The latest end of all leases that were not given up.</summary>
    public DateTimeOffset LastEnd => byEnd.Max is { } last && last.EndsAt > lastOver ? last.EndsAt : lastOver;

    /// <summary>Removes the leases that are over.</summary>
    public List<ShadowLease> Over(DateTimeOffset now)
    {
        var over = new List<ShadowLease>();
        while (byEnd.Min is { } first && first.EndsAt <= now)
        {
            Remove(first.Lease);
            over.Add(first);
            if (first.EndsAt > lastOver) lastOver = first.EndsAt;
        }

        return over;
    }

    public void Put(ShadowLease held)
    {
        Remove(held.Lease);
        byName[held.Lease] = held;
        byEnd.Add(held);
        byHolder[held.Holder] = byHolder.GetValueOrDefault(held.Holder) + 1;
    }

    public void Remove(string lease)
    {
        if (!byName.Remove(lease, out var held)) return;
        byEnd.Remove(held);
        if (byHolder[held.Holder] == 1) byHolder.Remove(held.Holder);
        else byHolder[held.Holder]--;
    }
}
