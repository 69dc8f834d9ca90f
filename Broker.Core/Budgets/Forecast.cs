namespace Broker.Core.Budgets;

/// <summary>A rollout that somebody thinks of. Connections are those of one pod's pool.</summary>
/// <param name="Pods">Pods that run in the end, 1 or more.</param>
/// <param name="ConnectionsPerPod">Connections that each opens, 1 or more.</param>
/// <param name="Surge">Pods beyond <paramref name="Pods"/> that run at once while it is rolled out, 0 or more.</param>
public sealed record PlannedRollout(int Pods, int ConnectionsPerPod, int Surge)
{
    /// <summary>Connections open at the rollout's height.</summary>
    public long Peak => ((long)Pods + Surge) * ConnectionsPerPod;

    /// <summary>
    /// Pods that a surge in percent adds, rounded up as Kubernetes rounds <c>maxSurge</c>:
    /// https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#max-surge
    /// </summary>
    public static int SurgeOf(int pods, int percent) => (int)(((long)pods * percent + 99) / 100);
}

/// <summary>A holder as a forecast needs it.</summary>
/// <param name="Role">Its role.</param>
/// <param name="Connections">Granted to it.</param>
/// <param name="EndsIn">Until its end, unless it is renewed.</param>
public sealed record ForecastHolder(string Role, int Connections, TimeSpan EndsIn);

/// <summary>What a rollout would do to a database's connections. All numbers are connections but those named pods.</summary>
/// <param name="Fits">Every pod gets its connections at once.</param>
/// <param name="Needed">Needed beyond what the rollout's own role holds already.</param>
/// <param name="Free">Free for it.</param>
/// <param name="Missing">Missing; 0 when it fits.</param>
/// <param name="PodsThatFit">Pods, surge included, that would get their connections at once.</param>
/// <param name="PoolSizeThatFits">The largest pool with which all pods fit; 0: none.</param>
/// <param name="EnoughFreeIn">
/// When so many holders of others have come to their end that it fits, if none of them renews; null: it fits now, or never will.
/// </param>
public sealed record Forecast(bool Fits, long Needed, int Free, long Missing, int PodsThatFit, int PoolSizeThatFits, TimeSpan? EnoughFreeIn)
{
    /// <summary>
    /// Says what a rollout would do. The arithmetic is that of claims: a pod is served while its whole pool is free, and what a role's
    /// own pods hold already is theirs, because a rolling update replaces them.
    /// </summary>
    /// <param name="rollout">The rollout.</param>
    /// <param name="role">The role it claims; null: one that holds nothing yet.</param>
    /// <param name="capacity">All that may be promised then.</param>
    /// <param name="holders">Those who hold connections of the database.</param>
    public static Forecast Of(PlannedRollout rollout, string? role, int capacity, IReadOnlyList<ForecastHolder> holders)
    {
        long own = 0, others = 0;
        foreach (var holder in holders)
        {
            if (role is not null && holder.Role == role) own += holder.Connections;
            else others += holder.Connections;
        }

        var free = (int)Math.Clamp(capacity - others - own, 0, int.MaxValue);
        var available = Math.Max(0, capacity - others);
        var needed = Math.Max(0, rollout.Peak - own);
        var missing = Math.Max(0, rollout.Peak - available);
        var pods = rollout.Pods + (long)rollout.Surge;
        return new(
            missing == 0,
            needed,
            free,
            missing,
            (int)Math.Min(pods, available / rollout.ConnectionsPerPod),
            (int)(available / pods),
            missing == 0 ? null : WhenFree(rollout.Peak + others - capacity, role, holders));
    }

    private static TimeSpan? WhenFree(long missing, string? role, IReadOnlyList<ForecastHolder> holders)
    {
        foreach (var holder in holders.Where(holder => role is null || holder.Role != role).OrderBy(holder => holder.EndsIn))
        {
            missing -= holder.Connections;
            if (missing <= 0) return holder.EndsIn > TimeSpan.Zero ? holder.EndsIn : TimeSpan.Zero;
        }

        return null;
    }
}
