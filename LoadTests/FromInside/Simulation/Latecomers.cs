namespace LoadTests.FromInside.Simulation;

/// <summary>Pods that come when all is at rest: what befell the world must not keep the broker from serving them, for as long as they stay.</summary>
internal static class Latecomers
{
    // Above every number of a plan's own steps.
    private const int FirstNumber = 10_000;

    // A pool that failed pauses, and a booked moment may be far off.
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(15);

    // Some leases' lives: who stays so long has renewed and moved.
    private static readonly TimeSpan Stay = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1);

    // For so long a ledger that lost something ends and prolongs nothing; holders live for less here, and for 30 s or more where it is configured.
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(6);

    /// <summary>They come, one of each role, stay, and leave.</summary>
    public static void Come(World world, Action<TimeSpan> go)
    {
        var roles = world.Plan.Scene.Roles;
        // While one moves, its connections count twice; what is guaranteed to a role is kept for more of its own to come.
        if (world.Laws.Broken is not null || !world.Laws.HasRoomFor(static of => of.Sum(static role => 2 + Math.Max(0, role.Connections.Guaranteed - 1)))) return;
        // A loss may come at the end of a fault, after the calm has begun.
        var over = world.Plan.Steps.OfType<FaultStep>().Select(fault => fault.At + fault.For).Append(TimeSpan.Zero).Max() + Quiet;
        if (world.Now < over) go(over);
        if (world.Laws.Broken is not null) return;
        world.Trace.Say("latecomers");
        var pods = roles.Select((role, i) => world.AddPod(new(FirstNumber + i, world.Now)
        {
            Role = role.Name,
            Account = "account0",
            Connections = 1,
            MinConnections = 1,
            Stays = LongestWait + Stay,
        })).ToArray();
        var end = world.Now + LongestWait;
        while (world.Laws.Broken is null && world.Now < end && pods.Any(pod => pod.Held is null)) go(world.Now + Look);
        if (pods.FirstOrDefault(pod => pod.Held is null) is { } waiting) world.Laws.Break("L10", $"{waiting.Name} came when all was over, and is not served");
        var served = world.Now;
        go(served + Stay);
        if (pods.FirstOrDefault(pod => pod.LostAt >= served) is { } loser) world.Laws.Break("L4", $"{loser.Name} came when all was over, stayed, and lost what it held");
        foreach (var pod in pods) pod.LeaveSoon();
    }
}
