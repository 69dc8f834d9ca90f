namespace LoadTests.FromInside.Simulation;

/// <summary>
/// What pods were really told, from the ledger or from a replica's memory, added up by themselves: never more than the database can
/// bear (L2, L8), and never a login that is gone (L3).
/// </summary>
internal sealed class Promises(World world)
{
    /// <summary>A pod was told that it has a lease and connections.</summary>
    /// <param name="pod">The pod.</param>
    /// <param name="asked">When it had asked.</param>
    public void Told(Pod pod, TimeSpan asked)
    {
        var grant = pod.Held!;
        var user = grant.Credentials.Login.Username;
        var losses = world.Laws.Losses;
        if (losses.DroppedAt(user) < asked && !losses.MayLeadBackTo(user) && !world.Laws.IsExcused(grant.Lease.Id, user))
            world.Laws.Break("L3", $"{pod.Name} was told of user {user}, which was dropped at {losses.DroppedAt(user)!.Value.TotalSeconds:0.000}");
    }

    /// <summary>All that pods were told fits.</summary>
    /// <param name="last">The caller that was told last.</param>
    /// <param name="capacity">What could be promised at most, a short while ago.</param>
    /// <param name="database">On which database; null: on all of the server together.</param>
    public void Fit(Pod last, int capacity, string? database)
    {
        var roles = world.Catalog.Current.Roles;
        var promised = world.Pods.Where(pod => (database is null || roles[pod.Plan.Role].Database == database) && !world.Laws.Losses.MayForget(pod)).Sum(pod => pod.Promised);
        if (promised > capacity) world.Laws.Break("L2", $"pods were told that they have {promised} connections{(database is null ? " on the server" : "")}, {last.Name} last; {capacity} can be promised");
    }
}
