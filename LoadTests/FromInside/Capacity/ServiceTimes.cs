using System.Text.Json;
using System.Text.Json.Serialization;

namespace LoadTests.FromInside.Capacity;

/// <summary>How long each piece of work takes, as it was measured, and where each figure comes from.</summary>
internal sealed record ServiceTimes
{
    private static readonly JsonSerializerOptions Format = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The machine, the day and the load under which they were taken.</summary>
    public required string TakenOn { get; init; }

    /// <summary>A replica's processor: a new connection, and the proof of a token that was never seen.</summary>
    public required ServiceTime Arrival { get; init; }

    /// <summary>A replica's processor: what is left of a claim: read, decide what to ask, grant, record in the audit, answer.</summary>
    public required ServiceTime Answer { get; init; }

    /// <summary>A replica's processor: one round trip to the ledger, however many claims share it.</summary>
    public required ServiceTime Trip { get; init; }

    /// <summary>A replica's processor: to wait for a lease, be woken and ask again.</summary>
    public required ServiceTime Waiting { get; init; }

    /// <summary>A replica's processor: the extra cost of work that finds it at rest.</summary>
    public required ServiceTime ReplicaWake { get; init; }

    /// <summary>A replica's processor, each second for each database: its rounds.</summary>
    public required ServiceTime ReplicaRounds { get; init; }

    /// <summary>A processor of whichever replica does them, each second for each database: its duties, of which counting is one.</summary>
    public required ServiceTime ReplicaDuties { get; init; }

    /// <summary>Redis' thread: one decision, however many claims it is about.</summary>
    public required ServiceTime Decision { get; init; }

    /// <summary>Redis' thread: a claim for a new holder, within a decision.</summary>
    public required ServiceTime NewHolder { get; init; }

    /// <summary>Redis' thread: the extra cost of a decision that finds it at rest.</summary>
    public required ServiceTime RedisWake { get; init; }

    /// <summary>Redis' thread, each second for each database and each replica: the rounds' decisions.</summary>
    public required ServiceTime RedisRounds { get; init; }

    /// <summary>Redis' thread, each second for each database: the decisions of its duties.</summary>
    public required ServiceTime RedisDuties { get; init; }

    /// <summary>The processor of each master of a Redis Cluster, each second, even while nobody asks.</summary>
    public required ServiceTime MasterAtRest { get; init; }

    /// <summary>A database: making a user and logging in with it once.</summary>
    public required ServiceTime Issue { get; init; }

    /// <summary>The load generator's processor, for each pod; counts only where all share a machine.</summary>
    public required ServiceTime Generator { get; init; }

    /// <summary>The load generator's processor: what work costs more that finds it at rest.</summary>
    public required ServiceTime GeneratorWake { get; init; }

    /// <summary>The times that are kept beside the model.</summary>
    public static ServiceTimes Kept()
    {
        using var stream = typeof(ServiceTimes).Assembly.GetManifestResourceStream("LoadTests.FromInside.Capacity.service-times.json")!;
        using var reader = new StreamReader(stream);
        return Read(reader.ReadToEnd());
    }

    /// <exception cref="JsonException">It is no such file.</exception>
    public static ServiceTimes Read(string json)
    {
        var times = JsonSerializer.Deserialize<ServiceTimes>(json, Format) ?? throw new JsonException("it is empty");
        return times.All().FirstOrDefault(static one => !(one.Time.Microseconds >= 0) || double.IsInfinity(one.Time.Microseconds)) is { Name: { } wrong }
            ? throw new JsonException($"{wrong} is below 0")
            : times;
    }

    public string ToJson() => JsonSerializer.Serialize(this, Format);

    /// <summary>Each with its name.</summary>
    public IEnumerable<(string Name, ServiceTime Time)> All() =>
    [
        (nameof(Arrival), Arrival), (nameof(Answer), Answer), (nameof(Trip), Trip), (nameof(Waiting), Waiting), (nameof(ReplicaWake), ReplicaWake),
        (nameof(ReplicaRounds), ReplicaRounds), (nameof(ReplicaDuties), ReplicaDuties), (nameof(Decision), Decision), (nameof(NewHolder), NewHolder),
        (nameof(RedisWake), RedisWake), (nameof(RedisRounds), RedisRounds), (nameof(RedisDuties), RedisDuties), (nameof(MasterAtRest), MasterAtRest), (nameof(Issue), Issue),
        (nameof(Generator), Generator), (nameof(GeneratorWake), GeneratorWake),
    ];
}

/// <summary>One of them.</summary>
/// <param name="Microseconds">How long.</param>
/// <param name="From">How it was measured.</param>
internal sealed record ServiceTime(double Microseconds, string From)
{
    [JsonIgnore]
    public double Seconds => Microseconds / 1e6;
}
