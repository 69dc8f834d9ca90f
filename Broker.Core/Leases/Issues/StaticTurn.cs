using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Core.Leases.Issues;

/// <summary>
/// Decides which of a static role's two users is next: never one that a lease may still hand out, or that was handed out by a lease that has not
/// ended, so that no rotation cuts anybody off (law L4).
/// </summary>
internal sealed class StaticTurn(SharedLedger ledger, DatabaseEngines engines)
{
    // A lease that is issued this late in its life gets a successor, and takes holders for a while longer should that fail; by
    // the ledger's count, when 0.55 to 0.7 of its life are left, and half.
    private const double LifePerSpare = 1.6;

    /// <summary>In the middle of that, so that it gets its successor when <see cref="Rotation.TurnsFrom"/> says and not sooner.</summary>
    public const double Spread = 0.5;

    /// <summary>The life by the ledger's count, and how long the password works.</summary>
    public static (TimeSpan Life, TimeSpan Lasts) TermsFrom(Rotation rotation, DateTimeOffset now)
    {
        var (own, spare) = rotation.TurnsFrom(now);
        return (spare * LifePerSpare, own + spare);
    }

    /// <summary>The user, or why neither is possible now.</summary>
    public async Task<(string? Username, string WhyNot)> NextAsync(Role role, Database database, StaticUsers users, string ownLease, CancellationToken cancellation)
    {
        var leases = (await ledger.Leases.AllAsync(database.Name, cancellation)).Where(lease => lease.Role == role.Name && lease.Id != ownLease && lease.Username.Length > 0).ToList();
        var free = users.Usernames.Where(user => !leases.Exists(lease => lease.Username == user && IsInUse(lease))).ToList();
        if (free.Count == 2) return (await LeastUsedAsync(database, users, leases, cancellation), "");
        if (free.Count == 1) return (free[0], "");

        // No lease takes holders: the newest one's login no longer works, and its holders have lost it already.
        if (!leases.Exists(lease => lease.State is LeaseState.Active or LeaseState.Issuing)
            && leases.Where(lease => lease.State == LeaseState.Retiring && users.Usernames.Contains(lease.Username)).MaxBy(lease => lease.CreatedAt) is { } newest) return (newest.Username, "");
        var first = leases.Where(lease => lease.State == LeaseState.Retiring).Select(lease => lease.ExpiresAt).Min();
        return (null, $"Both users of static role '{role.Name}' are in use{(first is { } end ? $", one of them until {end:u}" : "")}: changing a password now would cut off its holders.");
    }

    private static bool IsInUse(LeaseRecord lease) => lease.State switch
    {
        LeaseState.Issuing or LeaseState.Active or LeaseState.Unknown => true,
        LeaseState.Retiring => lease.ExpiresAt > lease.ReadAt,
        // An operator's order: the user is being shut out. Or the answer of its attempt was lost, whose statement may still change the password.
        LeaseState.Revoking or LeaseState.RevokeFailed => lease.Shut || lease.IssuerId.Length == 0,
        _ => false,
    };

    // A new ledger, or one that has lost everything, does not know whose turn it is: it leaves a user in use alone.
    private async Task<string> LeastUsedAsync(Database database, StaticUsers users, List<LeaseRecord> leases, CancellationToken cancellation)
    {
        var byTurn = users.Usernames.OrderBy(user => leases.Where(lease => lease.Username == user).Select(lease => lease.CreatedAt).DefaultIfEmpty().Max()).ToList();
        if (leases.Exists(lease => users.Usernames.Contains(lease.Username))) return byTurn[0];
        var open = new List<(string User, int Sessions)>();
        foreach (var user in users.Usernames) open.Add((user, await engines[database.Engine].CountSessionsAsync(database, user, cancellation) ?? 0));
        return open.MinBy(user => user.Sessions).User;
    }
}
