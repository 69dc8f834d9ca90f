using System.Text.Json;
using System.Text.Json.Serialization;

namespace LoadTests.FromOutside.Bench;

/// <summary>What the bench measured; parts that were not asked for are null.</summary>
internal sealed record BenchResult
{
    private static readonly JsonSerializerOptions Format = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    public required string Generator { get; init; }

    /// <summary>Which build of the broker was measured: the published one, or that of the developers.</summary>
    public required string Build { get; init; }

    public required int Processors { get; init; }

    /// <summary>The first one is what the others are compared with.</summary>
    public IReadOnlyList<TargetResult>? Targets { get; set; }

    /// <summary>Why there is no figure of a Vault Agent; null when there is one.</summary>
    public string? VaultAgentSkipped { get; set; }

    public IReadOnlyList<BurstResult>? Bursts { get; set; }

    /// <summary>The Vault-compatible API beside the native one.</summary>
    public IReadOnlyList<FrontResult>? Fronts { get; set; }

    /// <summary>Claims while viewers read, and claims where connections are guaranteed, beside claims alone.</summary>
    public IReadOnlyList<FrontResult>? Steering { get; set; }

    public StartResult? Start { get; set; }

    public IReadOnlyList<HoldersResult>? Holders { get; set; }

    /// <summary>Many databases and roles, and what looking at all of them costs.</summary>
    public FleetResult? Fleet { get; set; }

    /// <summary>A large rollout, and what the capacity model says of it.</summary>
    public WholeRolloutResult? Rollout { get; set; }

    public string ToJson() => JsonSerializer.Serialize(this, Format);
}

/// <summary>One address under load, over all rounds: the sum of its requests, and the middle one of the rounds' times. Processor time is that of the server, Redis included, by request.</summary>
internal sealed record TargetResult(string Name, double PerSecond, double ToEmpty, double? ToAuthenticated, double? ToAgent, double ProcessorMicroseconds, double P50Milliseconds, double P99Milliseconds, long Errors);

/// <summary>A fresh replica: times of the middle one of several starts, the maximum of all.</summary>
internal sealed record StartResult(int Starts, double ReadyMilliseconds, int Pods, double BurstP50Milliseconds, double BurstP99Milliseconds, double BurstMaxMilliseconds, int Errors);

/// <summary>The cost of a claim with this many holders.</summary>
internal sealed record HoldersResult(
    int Holders, double ReplicaMegabytes, double RedisMegabytes, double? RedisBytesPerHolder, double NewClaimP50Milliseconds, double AgainPerSecond, double AgainToLive, double AgainProcessorMicroseconds, long Errors);

/// <summary>Many databases: what each view of all of them costs, and claims with and without a viewer.</summary>
internal sealed record FleetResult(int Databases, int Roles, int Holders, double ReplicaMegabytes, double RedisMegabytes, IReadOnlyList<LookResult> Looks, IReadOnlyList<FrontResult> Claims)
{
    public long Errors => Claims.Sum(row => row.Errors);
}

/// <summary>One address that people or Prometheus read, asked one request after the other.</summary>
internal sealed record LookResult(string Path, double P50Milliseconds, double MostMilliseconds, double Kilobytes);
