namespace LoadTests.FromOutside.Bench;

/// <summary>How the bench measures.</summary>
internal sealed record BenchSettings
{
    /// <summary>Pods that ask again, each with a token of its own.</summary>
    public required int Pods { get; init; }

    /// <summary>Requests at once.</summary>
    public required int Connections { get; init; }

    /// <summary>Time for all targets together before anything counts: after a few seconds .NET's code is still the slow first version.</summary>
    public required TimeSpan Warmup { get; init; }

    /// <summary>Time that counts, for each target.</summary>
    public required TimeSpan Measure { get; init; }

    /// <summary>The number of rounds, in which the targets take turns.</summary>
    public required int Rounds { get; init; }
}
