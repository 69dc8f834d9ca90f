using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Issuing;
using Broker.Core.Model;

namespace LoadTests.FromInside.Simulation;

/// <summary>The issuer whose behaviour the model has.</summary>
internal enum IssuerManners
{
    /// <summary>The name is chosen before; a user's end is written into the database, and only the broker drops it.</summary>
    BuiltIn,

    /// <summary>The issuer chooses the name, knows the lease's end, and drops the user then.</summary>
    Vault,
}

/// <summary>The model of an issuer, and what can befall it.</summary>
internal sealed class IssuerServer(Timeline timeline, Actor self, DatabaseServer database, IssuerManners manners, Random random)
{
    private static readonly TimeSpan Buffer = TimeSpan.FromSeconds(5);
    private readonly SortedDictionary<string, ModelLease> leases = new(StringComparer.Ordinal);
    private int made;

    public Wire Wire { get; } = new(timeline, self);

    public IssuerManners Manners => manners;

    public bool IsSealed { get; set; }

    public bool IsThrottling { get; set; }

    public bool IsRefusing { get; set; }

    /// <summary>Gives renewed leases half of what was asked for.</summary>
    public bool IsStingy { get; set; }

    public double LosesAnswers { get; set; }

    public TimeSpan SlowBy { get; set; }

    /// <summary>Users it forgot the leases of, through no fault of the broker.</summary>
    public HashSet<string> Forgotten { get; } = new(StringComparer.Ordinal);

    /// <summary>Every login it made: for which role, with which password.</summary>
    public Dictionary<string, (string Role, string Password)> Logins { get; } = new(StringComparer.Ordinal);

    public IEnumerable<string> LeaseIds => leases.Keys;

    public int Made => made;

    public IssuedLease Issue(IssueOrder order)
    {
        Gate();
        var role = order.Role;
        made++;
        var number = made.ToString("d4", System.Globalization.CultureInfo.InvariantCulture);
        var name = order.Username ?? $"v-broker-{role.Name}-{number}x{random.Next():x8}-{1893456000 + (long)timeline.Now.TotalSeconds}";
        var id = order.Username ?? $"database/creds/{role.Name}/{number}";
        var password = $"secret-{number}-{random.Next():x8}";
        var end = manners == IssuerManners.BuiltIn ? order.Now - ActorClock.Start + role.LeaseTtl + Buffer : timeline.Now + role.LeaseTtl;
        Logins[name] = (role.Name, password);
        Carry(() => database.Create(name, password, role.Name, end));
        var lease = new ModelLease(name, timeline.Now, end, timeline.Now + role.LeaseMaxTtl);
        leases[id] = lease;
        if (manners == IssuerManners.Vault) EndAt(id, lease);
        return new(id, new(name, new(password)), new(role.LeaseTtl, Renewable: true));
    }

    public LeaseTerm Renew(IssuerLease asked, TimeSpan increment, DateTimeOffset now)
    {
        Gate();
        if (!leases.TryGetValue(asked.Id, out var lease) || !database.Users.TryGetValue(lease.Username, out var user))
            throw new IssuerException(IssuerFailure.LeaseUnknown, "lease not found");
        if (database.IsDown) throw new IssuerException(IssuerFailure.DatabaseUnavailable, "the database is down");
        var given = IsStingy ? Stingy(increment, lease.End - timeline.Now) : increment;
        if (manners == IssuerManners.BuiltIn)
        {
            lease.End = now - ActorClock.Start + given + Buffer;
            user.ValidUntil = lease.End;
            return new(given, Renewable: true);
        }

        var end = timeline.Now + given;
        if (end > lease.MaxEnd) end = lease.MaxEnd;
        if (end <= timeline.Now) throw new IssuerException(IssuerFailure.LeaseUnknown, "lease expired");
        lease.End = end;
        user.ValidUntil = end;
        EndAt(asked.Id, lease);
        return new(end - timeline.Now, Renewable: end < lease.MaxEnd);
    }

    public LeaseTerm? LookUp(IssuerLease asked)
    {
        Gate();
        return leases.TryGetValue(asked.Id, out var lease) ? new(lease.End - timeline.Now, Renewable: true, IssuedAt: ActorClock.Start + lease.IssuedAt) : null;
    }

    public IReadOnlyList<string> List(Role role)
    {
        Gate();
        return [.. leases.Keys.Where(id => id.StartsWith($"{role.VaultPath}/", StringComparison.Ordinal))];
    }

    public bool Revoke(IssuerLease asked)
    {
        Gate(issuing: false);
        if (!leases.TryGetValue(asked.Id, out var lease))
        {
            // The built-in issuer remembers nothing: an id is a name.
            if (manners == IssuerManners.BuiltIn) Carry(() => database.Drop(asked.Id));
            return true;
        }

        Carry(() => database.Drop(lease.Username));
        leases.Remove(asked.Id);
        return true;
    }

    /// <summary>Drops a lease and its user of its own accord.</summary>
    public void Forget(string id)
    {
        if (!leases.Remove(id, out var lease)) return;
        Forgotten.Add(lease.Username);
        DropWhenPossible(lease.Username);
    }

    private void DropWhenPossible(string username)
    {
        if (database.IsDown || database.RefusesDrops) timeline.At(self, timeline.Now + TimeSpan.FromSeconds(1), () => DropWhenPossible(username));
        else database.Drop(username);
    }

    private void EndAt(string id, ModelLease lease) => timeline.At(self, lease.End, () =>
    {
        if (lease.End > timeline.Now || !leases.ContainsKey(id)) return;
        if (IsSealed || database.IsDown || database.RefusesDrops)
        {
            lease.End = timeline.Now + TimeSpan.FromSeconds(1);
            EndAt(id, lease);
            return;
        }

        leases.Remove(id);
        database.Drop(lease.Username);
    });

    private void Gate(bool issuing = true)
    {
        if (IsSealed) throw new IssuerException(IssuerFailure.Unavailable, "the issuer is sealed");
        if (IsThrottling) throw new IssuerException(IssuerFailure.Throttled, "too many requests", TimeSpan.FromSeconds(2));
        if (IsRefusing && issuing) throw new IssuerException(IssuerFailure.Refused, "permission denied");
    }

    // Less than was asked for, but it takes nothing back.
    private static TimeSpan Stingy(TimeSpan increment, TimeSpan left) => increment / 2 > left ? increment / 2 : left < increment ? left : increment;

    private static void Carry(Action work)
    {
        try
        {
            work();
        }
        catch (DatabaseException e)
        {
            throw new IssuerException(e.Failure == DatabaseFailure.StatementRefused ? IssuerFailure.Refused : IssuerFailure.DatabaseUnavailable, e.Message);
        }
    }

    private sealed class ModelLease(string username, TimeSpan issuedAt, TimeSpan end, TimeSpan maxEnd)
    {
        public TimeSpan IssuedAt => issuedAt;

        public string Username => username;

        public TimeSpan End { get; set; } = end;

        public TimeSpan MaxEnd => maxEnd;
    }
}
