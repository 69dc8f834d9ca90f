using System.Text.Json;
using System.Text.Json.Serialization;

namespace LoadTests.FromOutside.Rollouts;

/// <summary>What a rollout was: the table's numbers, and the JSON of <c>--json</c>. Numbers that could not be counted are null.</summary>
internal sealed record RolloutResult
{
    private static readonly JsonSerializerOptions Format = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) },
    };

    public required Via Via { get; init; }

    public required int Pods { get; init; }

    public required int PodsAtWork { get; init; }

    /// <summary>Counted in the database.</summary>
    public required int? UsersCreated { get; init; }

    /// <summary>Attempts to issue that came to nothing, as the brokers count them: each may have made a user, which is dropped.</summary>
    public int IssuesInVain { get; init; }

    public required int ConnectionsOpened { get; init; }

    /// <summary>Refused by the database.</summary>
    public required int ConnectionsRefused { get; init; }

    /// <summary>Counted in the database.</summary>
    public required int? MostConnectionsAtOnce { get; init; }

    /// <summary>What the database has for ordinary users.</summary>
    public required int? DatabaseLimit { get; init; }

    /// <summary>What the broker may promise at most.</summary>
    public required int? BrokerCeiling { get; init; }

    /// <summary>The broker's refusals by code.</summary>
    public required IReadOnlyDictionary<string, int> Refusals { get; init; }

    /// <summary>What the database said when it refused.</summary>
    public required IReadOnlyDictionary<string, int> ConnectionFailures { get; init; }

    public required double? ShortestRetryAfterSeconds { get; init; }

    public required double? LongestRetryAfterSeconds { get; init; }

    /// <summary>Pods that came back when they were told to and were refused for the same reason.</summary>
    public required int CameBackInVain { get; init; }

    /// <summary>The most times that one pod had to come back until it was served.</summary>
    public required int MostReturns { get; init; }

    public required double? LastFirstQueryMilliseconds { get; init; }

    public required double? CredentialsP50Milliseconds { get; init; }

    public required double? CredentialsP99Milliseconds { get; init; }

    public required double TookMilliseconds { get; init; }

    /// <summary>Why this run is not what it should be; empty: it is.</summary>
    public required IReadOnlyList<string> Faults { get; init; }

    public string ToJson() => JsonSerializer.Serialize(this, Format);
}
