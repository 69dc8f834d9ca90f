namespace LoadTests.FromInside.Capacity;

/// <summary>The kinds of places where a queue can grow: each has its own remedy.</summary>
internal enum StationKind
{
    Replica,
    Master,
    Issuing,
    Machine,
}

/// <summary>One kind of station, by the one of them that was busiest.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Count">How many there are.</param>
/// <param name="Busiest">Its name.</param>
/// <param name="Utilisation">What part of its time the busiest worked.</param>
/// <param name="Mean">What part of its time all of them worked.</param>
/// <param name="LongestQueue">The most that waited at once, at any of them.</param>
/// <param name="P50">Half of all waits were no longer, in seconds.</param>
/// <param name="P99">99 of 100 were no longer.</param>
/// <param name="GrowsFrom">The second from which a queue grew at any; null: none did.</param>
internal sealed record StationRow(StationKind Kind, int Count, string Busiest, double Utilisation, double Mean, int LongestQueue, double P50, double P99, double? GrowsFrom);

/// <summary>The outcome of a rollout in the model.</summary>
/// <param name="Plan">What was modelled.</param>
/// <param name="Stations">The stations where work can wait.</param>
/// <param name="Took">Until the last pod had its answer, in seconds.</param>
/// <param name="P50">Half of the pods waited no longer for theirs.</param>
/// <param name="P99">99 of 100 waited no longer.</param>
/// <param name="Most">The longest wait of a pod.</param>
/// <param name="ReplicasPerThousand">Seconds of the replicas' processors for 1,000 pods, rounds left out.</param>
/// <param name="RedisPerThousand">Seconds of the masters' threads for 1,000 pods, rounds left out.</param>
/// <param name="ReplicasWorked">Seconds that the replicas' processors worked, rounds too.</param>
/// <param name="MastersWorked">The same of the masters' threads.</param>
/// <param name="GeneratorWorked">The same of the load generator, where there is one.</param>
/// <param name="ReplicaRounds">What part of a processor each replica takes for its rounds, pods or not.</param>
/// <param name="MasterRounds">What part of its thread the master with most databases takes for them.</param>
/// <param name="ClaimsADecision">How many claims shared a decision: the median.</param>
/// <param name="ToldToComeBack">Pods whose answer took longer than a claim waits by default: they were told to come back.</param>
/// <param name="HottestOfMaster">What part of the busiest master's claims are of one database.</param>
/// <param name="Hottest">That database.</param>
internal sealed record CapacityResult(
    CapacityPlan Plan, IReadOnlyList<StationRow> Stations, double Took, double P50, double P99, double Most, double ReplicasPerThousand, double RedisPerThousand, double ReplicasWorked, double MastersWorked, double GeneratorWorked, double ReplicaRounds, double MasterRounds,
    double ClaimsADecision, int ToldToComeBack, double HottestOfMaster, string Hottest)
{
    /// <summary>Where a queue grew first; null: nowhere.</summary>
    public StationRow? First => Stations.Where(static row => row.GrowsFrom is not null).MinBy(static row => row.GrowsFrom);

    /// <summary>The busiest kind of station.</summary>
    public StationRow Busiest => Stations.Where(static row => row.Kind != StationKind.Issuing).MaxBy(static row => row.Utilisation)!;
}
