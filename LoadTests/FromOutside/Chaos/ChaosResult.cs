using System.Text.Json;

namespace LoadTests.FromOutside.Chaos;

/// <summary>What came of one misfortune.</summary>
internal sealed record ChaosResult
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    /// <summary>Its name.</summary>
    public required string Fault { get; init; }

    /// <summary>What happened.</summary>
    public required string What { get; init; }

    /// <summary>What Redis the replicas shared, as <c>--redis</c> names it.</summary>
    public required string Redis { get; init; }

    /// <summary>What broke, by law; empty: nothing.</summary>
    public IReadOnlyDictionary<string, string> Broken { get; init; } = new Dictionary<string, string>();

    /// <summary>The laws that were looked at.</summary>
    public IReadOnlyList<string> LookedAt { get; init; } = [];

    /// <summary>Database users that were made.</summary>
    public long UsersMade { get; init; }

    /// <summary>How many may have been.</summary>
    public int UsersPermitted { get; init; }

    /// <summary>The most connections of pods at once.</summary>
    public int MostConnections { get; init; }

    /// <summary>How many the broker may promise.</summary>
    public int Ceiling { get; init; }

    /// <summary>Connections opened by pods.</summary>
    public int ConnectionsOpened { get; init; }

    /// <summary>Queries that pods ran.</summary>
    public int Queries { get; init; }

    /// <summary>Calls that were done as asked.</summary>
    public int Granted { get; init; }

    /// <summary>Refusals by code.</summary>
    public IReadOnlyDictionary<string, int> Refusals { get; init; } = new Dictionary<string, int>();

    /// <summary>Calls without an answer: their replica was gone or stood still.</summary>
    public int Unanswered { get; init; }

    /// <summary>The slowest answer of a replica that nothing had happened to.</summary>
    public double SlowestMilliseconds { get; init; }

    /// <summary>Lines in the audit for the pods' calls.</summary>
    public int AuditLines { get; init; }

    /// <summary>Lines for calls whose answer did not arrive.</summary>
    public int AuditLinesOfUnanswered { get; init; }

    /// <summary>From the misfortune's end until every replica had granted something; null: it did not come to that.</summary>
    public double? HealedAfterMilliseconds { get; init; }

    /// <summary>From the load's end until each user in the database was one that the ledger knows; null: it did not come to that.</summary>
    public double? KnownAfterMilliseconds { get; init; }

    public static string ToJson(IEnumerable<ChaosResult> results) => JsonSerializer.Serialize(results, Json);
}
