using Broker.Core.Catalog;
using Broker.Core.Databases;

namespace Broker.Core.Budgets;

/// <summary>
/// The arithmetic of a database's connections (law L2), in this one place. All numbers are connections.
/// </summary>
/// <param name="Limit">The server's limit.</param>
/// <param name="Reserved">Connections that ordinary users never get.</param>
/// <param name="Ceiling">What may be promised when nobody else uses the database: the smaller of the DBA's ceiling and
/// <c>CeilingPercent</c> of what ordinary users can get.</param>
/// <param name="Foreign">In use by others: connections of users that no live lease knows, and those that a lease's user has
/// open beyond what its holders were granted.</param>
/// <param name="Capacity">What may be promised now: min(DBA's ceiling, ceiling % × (limit − reserved) − foreign), and the same of
/// the database's own limit where it has one; never below 0.</param>
/// <param name="ServerCapacity">What may be promised now on all databases of the server together; never below 0.</param>
/// <param name="Over">By database user of a live lease: open beyond what its holders were granted; only those that have more.</param>
public sealed record BudgetCount(int Limit, int Reserved, int Ceiling, int Foreign, int Capacity, int ServerCapacity, IReadOnlyDictionary<string, int> Over)
{
    /// <summary>Makes the count.</summary>
    /// <param name="sample">The count of the database's connections.</param>
    /// <param name="settings">What the DBA configured.</param>
    /// <param name="granted">Connections granted to the holders of live leases, by database user.</param>
    /// <param name="others">The other databases of the server; null when there are none.</param>
    public static BudgetCount Of(ConnectionSample sample, BudgetSettings settings, IReadOnlyDictionary<string, int> granted, OthersOnServer? others = null)
    {
        // A pooler may have as many clients as it accepts: the percentages apply to the server behind it.
        if (sample.Pool is not null) settings = new() { CeilingPercent = 100, Ceiling = settings.Ceiling };
        var foreign = 0;
        var foreignHere = 0;
        var over = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var pool in others?.Pools ?? [])
        {
            // A pooler's connections count as promised to it, whichever of its users has them.
            foreign += Math.Max(0, sample.Users.Where(pool.Has).Sum(user => user.Open) - pool.Size);
            if (!pool.IsOwn) foreignHere += sample.Users.Where(pool.Has).Sum(user => user.InDatabase);
        }

        foreach (var user in sample.Users.Where(user => others?.Pools.Any(pool => pool.Has(user)) is not true))
        {
            var ours = user.Username is { } name ? granted.GetValueOrDefault(name) : 0;
            var promised = ours + (user.Username is { } other ? others?.Granted.GetValueOrDefault(other) ?? 0 : 0);
            foreign += Math.Max(0, user.Open - promised);
            foreignHere += Math.Max(0, user.InDatabase - ours);
            if (user.Username is { } leased && granted.ContainsKey(leased) && user.Open > ours) over[leased] = user.Open - ours;
        }

        var usable = Math.Max(0, sample.Limit - sample.Reserved);
        var share = Share(usable, settings);
        var whole = Math.Max(0, Math.Min(sample.Limit, others?.Limit ?? sample.Limit) - sample.Reserved);
        var serverCeiling = Percent(whole, PercentOf(settings, others));
        var capacity = share - foreign;
        var ceiling = share;
        if (sample.DatabaseLimit is { } own)
        {
            capacity = Math.Min(capacity, Share(own, settings) - foreignHere);
            ceiling = Math.Min(ceiling, Share(own, settings));
        }

        if (settings.Ceiling is { } dba)
        {
            capacity = Math.Min(capacity, dba);
            ceiling = Math.Min(ceiling, dba);
        }

        return new(sample.Limit, sample.Reserved, ceiling, foreign, Math.Max(0, capacity), Math.Max(0, serverCeiling - foreign), over) { ServerCeiling = serverCeiling };
    }

    /// <summary>
    /// Makes the count of a database with a pooler. The broker promises connections to the pooler, as many as it accepts; the percentages apply to the
    /// server's connections, and what they leave is <see cref="Pool"/>.
    /// </summary>
    /// <param name="sample">The count of the pooler's clients, and of the server behind it.</param>
    /// <param name="database">The database.</param>
    /// <param name="granted">Connections granted to the holders of live leases, by database user.</param>
    /// <param name="others">The other databases of the server, and the database's own pool.</param>
    public static BudgetCount OfPooled(ConnectionSample sample, Database database, IReadOnlyDictionary<string, int> granted, OthersOnServer others)
    {
        var clients = Of(sample, database.Budget, granted);
        var server = Of(sample.Pool!.Server, database.Budget with { Ceiling = null }, new Dictionary<string, int>(), others);
        return clients with { ServerCapacity = server.ServerCapacity, Pool = Math.Min(database.Pooler!.PoolSize, server.Capacity) };
    }

    /// <summary>For a database with a pooler: how many of the server's connections the pooler gets while no other database of the server is promised them.</summary>
    public int? Pool { get; init; }

    /// <summary>What may be promised on all databases of the server together when nobody else uses it.</summary>
    public int ServerCeiling { get; init; }

    private static int PercentOf(BudgetSettings settings, OthersOnServer? others)
    {
        BudgetSettings[] all = [settings, .. others?.Settings ?? []];
        return all.Min(one => one.ServerCeilingPercent) ?? all.Max(one => one.CeilingPercent);
    }

    private static int Share(int connections, BudgetSettings settings) => Percent(connections, settings.CeilingPercent);

    private static int Percent(int connections, int percent) => (int)((long)connections * percent / 100);
}

/// <summary>The other databases on the server of the counted database.</summary>
/// <param name="Settings">What the DBA configured for them.</param>
/// <param name="Granted">Connections granted to the holders of their live leases, by database user.</param>
public sealed record OthersOnServer(IReadOnlyList<BudgetSettings> Settings, IReadOnlyDictionary<string, int> Granted)
{
    /// <summary>The poolers of the server's databases, including the one of the counted database.</summary>
    public IReadOnlyList<PoolUsers> Pools { get; init; } = [];

    /// <summary>The smallest configured limit of the server; null when none is configured.</summary>
    public int? Limit => Settings.Min(settings => settings.Limit);
}

/// <summary>The users of one pooler: together, their open connections on the server are the pool.</summary>
/// <param name="Size">Connections that the pool is promised.</param>
/// <param name="Names">Their names.</param>
/// <param name="IsOwn">Whether it is the pooler of the counted database.</param>
public sealed record PoolUsers(int Size, IReadOnlySet<string> Names, bool IsOwn)
{
    /// <summary>Whether a user is one of them.</summary>
    public bool Has(UserConnections user) => user.Username is { } name && Names.Contains(name);
}
