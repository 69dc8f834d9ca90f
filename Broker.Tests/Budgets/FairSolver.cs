namespace Broker.Tests.Budgets;

/// <summary>Holders of a party that are alike.</summary>
internal sealed record HolderClass(int Least, int Want, int Count);

/// <summary>Who shares a database with others.</summary>
internal sealed record Party(IReadOnlyList<HolderClass> Classes, int Weight, int Guaranteed, int Priority)
{
    public int Lid => Classes.Sum(one => one.Want * one.Count);

    public int Floor => Math.Max(Classes.Sum(one => one.Least * one.Count), Math.Min(Guaranteed, Lid));
}

/// <summary>
/// A division by its definition, knowing nothing of levels: beginning with what everybody has to have, each next connection goes to
/// whoever has least by weight and wants more, of the highest priority first.
/// </summary>
internal static class FairSolver
{
    public static int[] Shares(int connections, IReadOnlyList<Party> parties)
    {
        var shares = parties.Select(party => party.Floor).ToArray();
        for (var left = connections - shares.Sum(); left > 0; left--)
        {
            var next = Enumerable.Range(0, parties.Count)
                .Where(i => shares[i] < parties[i].Lid)
                .OrderByDescending(i => parties[i].Priority)
                .ThenBy(i => (shares[i] + 1.0) / parties[i].Weight)
                .Cast<int?>()
                .FirstOrDefault();
            if (next is not { } found) break;
            shares[found]++;
        }

        return shares;
    }

    /// <summary>How a party's share is divided among its holders, smallest first.</summary>
    public static int[] Sizes(int share, Party party)
    {
        var holders = party.Classes.SelectMany(one => Enumerable.Repeat(one, one.Count)).ToArray();
        var sizes = Array.ConvertAll(holders, one => one.Least);
        for (var left = share - sizes.Sum(); left > 0; left--)
        {
            var next = Enumerable.Range(0, holders.Length).Where(i => sizes[i] < holders[i].Want).OrderBy(i => sizes[i]).Cast<int?>().FirstOrDefault();
            if (next is not { } found) break;
            sizes[found]++;
        }

        return [.. sizes.Order()];
    }
}
