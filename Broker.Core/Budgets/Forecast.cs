namespace Broker.Core.Budgets;

/// <summary>A planned rollout. Connections are those of one pod's pool.</summary>
/// <param name="Pods">Pods that run after the rollout, 1 or more.</param>
/// <param name="ConnectionsPerPod">Connections that each opens, 1 or more.</param>
/// <param name="Surge">Pods beyond <paramref name="Pods"/> that run at once while it is rolled out, 0 or more.</param>
public sealed record PlannedRollout(int Pods, int ConnectionsPerPod, int Surge)
{
    /// <summary>The most pods that a rollout can have.</summary>
    public const int MostPods = 100_000;

    /// <summary>The most connections that each of its pods can open.</summary>
    public const int MostConnectionsPerPod = 10_000;

    /// <summary>The surge, in percent of the pods, where none is named: Kubernetes' own default of <c>maxSurge</c>.</summary>
    public const int UsualSurgePercent = 25;

    /// <summary>Connections open at the rollout's peak.</summary>
    public long Peak => ((long)Pods + Surge) * ConnectionsPerPod;

    /// <summary>
    /// Pods that a surge in percent adds, rounded up as Kubernetes rounds <c>maxSurge</c>:
    /// https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#max-surge
    /// </summary>
    public static int SurgeOf(int pods, int percent = UsualSurgePercent) => (int)Math.Clamp(((long)pods * percent + 99) / 100, 0, int.MaxValue);
}

/// <summary>A holder as a forecast needs it.</summary>
/// <param name="Role">Its role.</param>
/// <param name="Connections">Granted to it.</param>
/// <param name="EndsIn">Until its end, unless it is renewed.</param>
public sealed record ForecastHolder(string Role, int Connections, TimeSpan EndsIn)
{
    /// <summary>The party that it belongs to: its role, or a team with its own terms.</summary>
    public string Party { get; init; } = Role;

    /// <summary>The size that it is asked to go down to and has not confirmed; its connections when nothing is asked of it.</summary>
    public int DownTo { get; init; } = Connections;

    /// <summary>The smallest size that it goes down to when others need connections; its connections when it does not follow sizes.</summary>
    public int Least { get; init; } = Connections;
}

/// <summary>What a rollout would do to a database's connections. All numbers are connections except those of pods.</summary>
/// <param name="Fits">Whether every pod gets its connections: at once, or as soon as holders that follow sizes have given back enough.</param>
/// <param name="Needed">Needed beyond what the rollout's own role holds already.</param>
/// <param name="Free">Free for it now, without what is guaranteed to others.</param>
/// <param name="GivenBack">What holders that follow sizes would have to give back for it; 0: nothing.</param>
/// <param name="Missing">Missing even then; 0 when it fits.</param>
/// <param name="PodsAtOnce">Pods, surge included, that would get their connections at once.</param>
/// <param name="PodsThatFit">Pods, surge included, that would get their connections, some of them only after others have given back theirs.</param>
/// <param name="PoolSizeThatFits">The largest pool with which all pods fit; 0: none.</param>
/// <param name="EnoughFreeIn">
/// After how long enough other holders have ended for it to fit, if none of them renews; null: it fits now, or never will.
/// </param>
public sealed record Forecast(bool Fits, long Needed, int Free, long GivenBack, long Missing, int PodsAtOnce, int PodsThatFit, int PoolSizeThatFits, TimeSpan? EnoughFreeIn)
{
    /// <summary>
    /// Forecasts a rollout. The arithmetic is that of claims: a pod is served while its whole pool is free and not kept for others; what a
    /// role's own pods hold already counts towards it, because a rolling update replaces them.
    /// </summary>
    /// <param name="rollout">The rollout.</param>
    /// <param name="role">The role that it claims; null: one that holds nothing yet.</param>
    /// <param name="capacity">The connections that may be promised in all.</param>
    /// <param name="holders">Those who hold connections of the database.</param>
    /// <param name="guaranteed">By party: connections that are kept free for it while it does not have them; null when nothing is guaranteed.</param>
    public static Forecast Of(
        PlannedRollout rollout, string? role, int capacity, IReadOnlyList<ForecastHolder> holders, IReadOnlyDictionary<string, int>? guaranteed = null)
    {
        var room = new ForecastRoom(role, capacity, holders, guaranteed);
        var (atOnce, inTheEnd) = (room.AtOnce, room.InTheEnd);
        var pods = rollout.Pods + (long)rollout.Surge;
        var missing = Math.Max(0, rollout.Peak - inTheEnd);
        return new(
            missing == 0,
            Math.Max(0, rollout.Peak - room.Own),
            (int)Math.Clamp(atOnce - room.Own, 0, int.MaxValue),
            Math.Max(0, Math.Min(rollout.Peak, inTheEnd) - atOnce),
            missing,
            (int)Math.Min(pods, atOnce / rollout.ConnectionsPerPod),
            (int)Math.Min(pods, inTheEnd / rollout.ConnectionsPerPod),
            (int)(inTheEnd / pods),
            missing == 0 ? null : room.WhenFree(rollout.Peak));
    }
}
