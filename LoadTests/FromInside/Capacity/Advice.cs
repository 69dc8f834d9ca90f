using System.Globalization;

namespace LoadTests.FromInside.Capacity;

/// <summary>Where the first queue grows, and what to add, in a sentence.</summary>
internal static class Advice
{
    // Of a master's claims: more are one database's than more masters could take from it.
    private const double MostlyOne = 0.5;

    public static string Of(CapacityResult result)
    {
        if (result.First is not { } first)
            return Say($"No queue grows: the busiest is {result.Busiest.Busiest}, at work {result.Busiest.Utilisation:0%} of the time. Nothing needs to be added.");
        var where = Say($"The first queue grows from second {first.GrowsFrom:0.0} on");
        return first.Kind switch
        {
            StationKind.Replica => Say($"{where} at the replicas' processors: add replicas, or processors to each."),
            StationKind.Master when result.HottestOfMaster > MostlyOne =>
                Say($"{where} at Redis' {first.Busiest}, where {result.HottestOfMaster:0%} of the claims are of one database, {result.Hottest}, which is one slot: more masters change nothing; let its pods start over a longer time, or spread them over several databases."),
            StationKind.Master => Say($"{where} at Redis' {first.Busiest}: add masters, or move databases' slots to those that have fewer."),
            StationKind.Issuing => Say($"{where} at the users that a database is to make: raise MaxHoldersPerLease, so that fewer are needed, or UsersPerSecond and Burst, if the database bears it."),
            _ => Say($"{where} at the processors that everything shares: give the machine more, or each part a machine of its own."),
        };
    }

    private static string Say(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
