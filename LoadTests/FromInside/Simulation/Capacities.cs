namespace LoadTests.FromInside.Simulation;

/// <summary>How many connections could be promised, and since when: the truth about a database, or about a server.</summary>
internal sealed class Capacities(World world)
{
    private readonly List<(TimeSpan From, int Capacity)> all = [];

    public int Last => all[^1].Capacity;

    /// <summary>Sets the number from now on. True: it is smaller than before.</summary>
    public bool Shrinks(int capacity)
    {
        if (all.Count > 0 && Last == capacity) return false;
        var fewer = all.Count > 0 && capacity < Last;
        all.Add((world.Now, capacity));
        return fewer;
    }

    /// <summary>The largest number in the last stretch of this length.</summary>
    public int MostIn(TimeSpan time)
    {
        var since = world.Now - time;
        var most = 0;
        for (var i = 0; i < all.Count; i++)
        {
            if (i + 1 == all.Count || all[i + 1].From >= since) most = Math.Max(most, all[i].Capacity);
        }

        return most;
    }
}
