using Broker.Core.Databases;
using Broker.Core.Identity;
using Broker.Core.Ledger;

namespace Broker.Core.Duties;

/// <summary>
/// What holders that ended without releasing may still have open (law L2). Other holders of the same user were promised connections
/// and may not have opened them yet, so the number of open connections alone proves nothing. Connections that carry their holder's name
/// (<see cref="HolderName"/>) show whose they are; any other could be anybody's, and counts as belonging to the ended holders. Where a
/// server shows no connections (<see cref="ConnectionSample.ShowsConnections"/>), none is known to be closed before its lease has ended.
/// </summary>
internal static class SilentHolders
{
    /// <summary>Makes the count.</summary>
    /// <param name="sample">What the database shows.</param>
    /// <param name="silent">The holders that ended.</param>
    /// <param name="users">The users of live leases, by lease.</param>
    /// <param name="granted">Connections granted to the holders of live leases, by user.</param>
    public static StillOpen Of(
        ConnectionSample sample, IReadOnlyList<SilentHolder> silent, IReadOnlyDictionary<string, string> users, IReadOnlyDictionary<string, int> granted)
    {
        if (silent.Count == 0) return new(0, []);
        if (!sample.ShowsConnections)
        {
            var unseen = silent.Where(holder => users.ContainsKey(holder.Lease)).ToList();
            return new(unseen.Sum(holder => holder.Connections), [.. unseen.Select(holder => new SilentLeft(holder.Holder, holder.Connections))]);
        }

        var shown = sample.Users.Where(user => user.Username is not null).ToDictionary(user => user.Username!, StringComparer.Ordinal);
        var left = new List<SilentLeft>();
        var total = 0;
        // Connections of users whose lease is over already count as foreign.
        foreach (var ofUser in silent.Where(holder => users.ContainsKey(holder.Lease)).GroupBy(holder => users[holder.Lease], StringComparer.Ordinal))
        {
            if (!shown.TryGetValue(ofUser.Key, out var user)) continue;
            var unnamed = user.Open - user.Named.Values.Sum();
            var open = 0;
            foreach (var holder in ofUser)
            {
                var named = user.Named.GetValueOrDefault(HolderName.KeyOf(holder.Holder.TrimEnd('~')).ToString());
                if (Math.Min(holder.Connections, named + unnamed) is > 0 and var most) left.Add(new(holder.Holder, most));
                open += Math.Min(holder.Connections, named);
            }

            var missing = ofUser.Sum(holder => holder.Connections) - open;
            var mayBe = open + Math.Min(missing, unnamed);
            var foreign = Math.Max(0, user.Open - granted.GetValueOrDefault(ofUser.Key));
            total += Math.Max(0, mayBe - foreign);
        }

        return new(total, left);
    }
}
