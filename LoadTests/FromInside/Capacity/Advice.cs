using System.Globalization;

namespace LoadTests.FromInside.Capacity;

/// <summary>Where the first queue grows, and what to add, in a sentence.</summary>
internal static class Advice
{
    // Of a master's claims: more are one database's than more masters could take from it.
    private const double MostlyOne = 0.5;

    // A station that is busy for more of the time has little room for a slightly faster rollout.
    private const double Enough = 0.7;

    public static string Of(CapacityResult result)
    {
        if (result.First is { } first) return Say($"The first queue grows from second {first.GrowsFrom:0.0} on at {Where(first, result)}: {WhatToAdd(first, result)}.");
        var busiest = result.Busiest;
        var seen = Say($"No queue grows: the busiest is {busiest.Busiest}, at work {busiest.Utilisation:0%} of the time.");
        return busiest.Utilisation < Enough ? seen + " Nothing needs to be added." : seen + Say($" It has little left: before more comes, {WhatToAdd(busiest, result)}.");
    }

    private static string Where(StationRow row, CapacityResult result) => row.Kind switch
    {
        StationKind.Replica => "the replicas' processors",
        StationKind.Master when IsOfOne(result) => Say($"Redis' {row.Busiest}, where {result.HottestOfMaster:0%} of the claims are of one database, {result.Hottest}, which is one slot"),
        StationKind.Master => Say($"Redis' {row.Busiest}"),
        StationKind.Issuing => "the users that a database is to make",
        _ => "the processors that everything shares",
    };

    private static string WhatToAdd(StationRow row, CapacityResult result) => row.Kind switch
    {
        StationKind.Replica => "add replicas, or processors to each",
        StationKind.Master when IsOfOne(result) => "more masters change nothing for a database that is one slot; let its pods start over a longer time, or spread them over several databases",
        StationKind.Master => "add masters, or move databases' slots to those that have fewer; fewer replicas ask less, too",
        StationKind.Issuing => "raise MaxHoldersPerLease, so that fewer are needed, or UsersPerSecond and Burst, if the database bears it",
        _ => "give the machine more, or each part a machine of its own",
    };

    private static bool IsOfOne(CapacityResult result) => result.HottestOfMaster > MostlyOne;

    private static string Say(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
