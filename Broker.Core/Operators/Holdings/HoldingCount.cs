using System.Text.RegularExpressions;
using Broker.Core.Databases;
using Broker.Core.Identity;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Operators.Holdings;

namespace Broker.Core.Operators.Holdings;

/// <summary>
/// Combines what was granted (from the ledger) with what is open (from the database): sessions of a lease's user belong to the holder whose name
/// they carry (<see cref="HolderName"/>). Sessions of a user without such a name may belong to any of its holders, so nothing is reported
/// for a holder without visible sessions then.
/// </summary>
internal static partial class HoldingCount
{
    /// <summary>Makes the list.</summary>
    /// <param name="database">The database.</param>
    /// <param name="holders">Its holders; those that move have a second record, whose id ends with <c>~</c>.</param>
    /// <param name="leases">Its leases.</param>
    /// <param name="sessions">What is open; null: not known.</param>
    public static (IReadOnlyList<Holding> Holders, IReadOnlyList<OtherConnections> Others) Of(
        string database, IReadOnlyList<HolderRecord> holders, IReadOnlyList<LeaseRecord> leases, IReadOnlyList<OpenSessions>? sessions)
    {
        var byId = leases.ToDictionary(lease => lease.Id, StringComparer.Ordinal);
        var roles = leases.Where(lease => lease.Username.Length > 0 && lease.State is Model.LeaseState.Active or Model.LeaseState.Retiring)
            .DistinctBy(lease => lease.Username).ToDictionary(lease => lease.Username, lease => lease.Role, StringComparer.Ordinal);
        var keys = holders.Select(holder => (User(holder), KeyOf(holder))).ToHashSet();
        var named = new Dictionary<(string User, string Key), List<OpenSessions>>();
        var unnamed = new HashSet<string>(StringComparer.Ordinal);
        var others = new List<OtherConnections>();
        foreach (var alike in sessions ?? [])
        {
            var role = alike.Username is { } user ? roles.GetValueOrDefault(user) : null;
            if (role is not null && HolderName.TryReadKey(alike.Program, out var key) && keys.Contains((alike.Username!, key.ToString())))
            {
                if (!named.TryGetValue((alike.Username!, key.ToString()), out var own)) named[(alike.Username!, key.ToString())] = own = [];
                own.Add(alike);
                continue;
            }

            if (role is not null) unnamed.Add(alike.Username!);
            others.Add(new(alike.Username, alike.Program, alike.Address, role, Sum([alike])));
        }

        var ids = holders.Select(holder => holder.Id).ToHashSet(StringComparer.Ordinal);
        var moving = holders.Where(holder => holder.Id.EndsWith('~')).ToDictionary(holder => holder.Id[..^1], StringComparer.Ordinal);
        var list = new List<Holding>(holders.Count);
        foreach (var holder in holders)
        {
            if (holder.Id.EndsWith('~') && ids.Contains(holder.Id[..^1])) continue;
            var old = moving.GetValueOrDefault(holder.Id);
            var user = User(holder);
            IEnumerable<OpenSessions> own = named.GetValueOrDefault((user, KeyOf(holder)), []);
            if (old is not null && User(old) != user) own = own.Concat(named.GetValueOrDefault((User(old), KeyOf(holder)), []));
            var open = Sum(own);
            var told = sessions is not null && (open.Connections > 0 || !unnamed.Contains(user));
            list.Add(new(
                database, holder.Id, holder.Id.Split('.')[0], holder.Caller, NamespaceOf(holder.Caller), holder.Team, holder.Node, holder.Lease, user,
                holder.Connections, old?.Connections ?? 0, holder.Since, holder.EndsAt, holder.Waiting, told ? open : null));
        }

        return (list, [.. others.OrderByDescending(other => other.Open.Connections).ThenBy(other => other.Username, StringComparer.Ordinal)]);

        string User(HolderRecord holder) => holder.Lease.Length > 0 && byId.TryGetValue(holder.Lease, out var lease) ? lease.Username : "";
    }

    private static string KeyOf(HolderRecord holder) => HolderName.KeyOf(holder.Id.AsSpan().TrimEnd('~')).ToString();

    private static OpenCount Sum(IEnumerable<OpenSessions> sessions)
    {
        var open = new OpenCount(0, 0, 0, null, null);
        foreach (var alike in sessions)
        {
            open = new(
                open.Connections + alike.Open, open.Idle + alike.Idle, open.IdleInTransaction + alike.IdleInTransaction,
                Longer(open.LongestQuery, alike.LongestQuery), Longer(open.LongestIdleInTransaction, alike.LongestIdleInTransaction));
        }

        return open;
    }

    private static TimeSpan? Longer(TimeSpan? one, TimeSpan? other) => one is null || other > one ? other : one;

    // A pod is known as namespace/name; a service account's token without a pod by its subject.
    private static string? NamespaceOf(string caller) => Pods().Match(caller) is { Success: true } pod ? pod.Groups[1].Value
        : ServiceAccounts().Match(caller) is { Success: true } account ? account.Groups[1].Value
        : null;

    [GeneratedRegex(@"\A([a-z0-9](?:[-a-z0-9]*[a-z0-9])?)/[^/]+\z")]
    private static partial Regex Pods();

    [GeneratedRegex(@"\Asystem:serviceaccount:([^:]+):")]
    private static partial Regex ServiceAccounts();
}
