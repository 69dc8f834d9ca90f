using Broker.Core.Catalog;

namespace LoadTests.FromInside.Capacity;

/// <summary>A rollout, and the machines that serve it.</summary>
internal sealed record CapacityPlan
{
    public required int Pods { get; init; }

    public required int Databases { get; init; }

    public required int Replicas { get; init; }

    /// <summary>Masters of the Redis Cluster, each with an equal range of the slots; 1: a single Redis.</summary>
    public required int Masters { get; init; }

    /// <summary>Pods start within this time, evenly; zero: all at once.</summary>
    public required TimeSpan Rollout { get; init; }

    /// <summary>The percentage of the pods that use the first database; the others are spread over all the rest. 0: all are spread evenly.</summary>
    public int HotPercent { get; init; }

    /// <summary>Processors of a replica.</summary>
    public int Cores { get; init; } = 1;

    /// <summary>Processors of the one machine that everything shares, the load generator too; 0: each has its own.</summary>
    public int Processors { get; init; }

    /// <summary>A message there and one back, between any two.</summary>
    public TimeSpan RoundTrip { get; init; } = TimeSpan.FromMilliseconds(0.5);

    /// <summary>Whether each database has a lease when the rollout begins.</summary>
    public bool Warm { get; init; }

    /// <summary>Holders of one lease.</summary>
    public int MaxHoldersPerLease { get; init; } = 500;

    /// <summary>How fast a database can make new users.</summary>
    public PaceSettings Pace { get; init; } = new();

    /// <summary>The names under which Redis has the databases' records; null: <c>db-00</c> and so on, each on a server of its own.</summary>
    public IReadOnlyList<string>? Addresses { get; init; }

    public required long Seed { get; init; }
}
