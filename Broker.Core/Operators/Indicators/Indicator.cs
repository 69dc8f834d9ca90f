using Broker.Core.Leases;

namespace Broker.Core.Operators.Indicators;

/// <summary>One figure that says whether the service meets an objective.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Objective">The objective, as a text.</param>
/// <param name="Value">What it is; null: not known, or nothing happened that could be measured.</param>
/// <param name="Unit">The value's unit: <c>s</c>, <c>d</c>, <c>1</c> for shares from 0 to 1, or what is counted in braces.</param>
/// <param name="Met">Whether the objective is met; null: not known.</param>
/// <param name="Detail">What the value is made of, for people.</param>
public sealed record Indicator(string Name, string Objective, double? Value, string Unit, bool? Met, string Detail);

/// <summary>What one replica saw in the last hour.</summary>
public sealed record LastHourCounts
{
    /// <summary>Upper ends of the classes that <see cref="GrantedWithin"/> counts, in seconds; the last one is without end.</summary>
    public static IReadOnlyList<double> Seconds { get; } = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, double.PositiveInfinity];

    /// <summary>Claims that were granted, by how long they took.</summary>
    public IReadOnlyList<long> GrantedWithin { get; init; } = new long[Seconds.Count];

    /// <summary>Claims that were answered.</summary>
    public long Claims { get; init; }

    /// <summary>Those that the broker, or a server it needs, could not serve.</summary>
    public long Failed { get; init; }

    /// <summary>Those that were refused because the audit could not be written.</summary>
    public long Unrecorded { get; init; }

    /// <summary>Requests to the API.</summary>
    public long Requests { get; init; }

    /// <summary>Requests without a proven caller.</summary>
    public long Unproven { get; init; }
}

/// <summary>Where the counts of the last hour come from.</summary>
public interface ILastHour
{
    /// <summary>The counts as of now.</summary>
    LastHourCounts Counts { get; }
}
