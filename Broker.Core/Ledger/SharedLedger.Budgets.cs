namespace Broker.Core.Ledger;

/// <summary>What is known of a database's connections and users.</summary>
public sealed partial class SharedLedger
{
    /// <summary>Writes a count of the database's connections.</summary>
    /// <param name="database">The database.</param>
    /// <param name="capacity">What may be promised.</param>
    /// <param name="limit">The server's limit.</param>
    /// <param name="reserved">Those that ordinary users never get.</param>
    /// <param name="ceiling">What may be promised when nobody else uses the database.</param>
    /// <param name="foreign">In use by others.</param>
    /// <param name="staleAfter">How long the count is good.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <param name="over">By role: open beyond what was granted; null: as it was.</param>
    /// <param name="grantedAt">When what was granted was looked at, by the ledger's clock; null: now.</param>
    public async ValueTask SampleAsync(
        string database, int capacity, int limit, int reserved, int ceiling, int foreign, TimeSpan staleAfter,
        CancellationToken cancellation, IReadOnlyDictionary<string, int>? over = null, DateTimeOffset? grantedAt = null) =>
        await store.DecideAsync(
            Decision.Sample,
            database,
            [Text(capacity), Text(limit), Text(reserved), Text(ceiling), Text(foreign), Text(staleAfter), Text(grantedAt), .. (over ?? new Dictionary<string, int>()).SelectMany(role => new[] { role.Key, Text(role.Value) })],
            cancellation);

    /// <summary>Takes the right to change what the database itself lets a lease's user open; see <see cref="CapTurn"/>.</summary>
    /// <param name="database">The database.</param>
    /// <param name="lease">The lease.</param>
    /// <param name="token">Proves the taking in what follows.</param>
    /// <param name="takenFor">After this another may take it.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async ValueTask<CapTurn> TakeCapAsync(string database, string lease, string token, TimeSpan takenFor, CancellationToken cancellation)
    {
        var v = await store.DecideAsync(Decision.Cap, database, [lease, "take", token, Text(takenFor)], cancellation);
        return v[0] switch
        {
            "taken" => new CapTurn.Taken(Number(v[1]), v[2] == "-1" ? null : Number(v[2]), v[3], Number(v[4])),
            "busy" => new CapTurn.Busy(),
            _ => new CapTurn.Gone(),
        };
    }

    /// <summary>
    /// Writes down a lower cap before the database is told: claims from now on have it raised. Answers what it may be lowered to,
    /// never below what the holders have; null: another has taken over.
    /// </summary>
    public async ValueTask<int?> LowerCapAsync(string database, string lease, string token, int cap, CancellationToken cancellation)
    {
        var v = await store.DecideAsync(Decision.Cap, database, [lease, "lower", token, Text(cap)], cancellation);
        return v[0] == "ok" ? Number(v[1]) : null;
    }

    /// <summary>Gives the right back, and writes down what the database was told.</summary>
    /// <param name="database">The database.</param>
    /// <param name="lease">The lease.</param>
    /// <param name="token">As taken.</param>
    /// <param name="told">Null: nothing; -1: that there is no cap any more.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async ValueTask CappedAsync(string database, string lease, string token, int? told, CancellationToken cancellation) =>
        await store.DecideAsync(Decision.Cap, database, [lease, "done", token, told is { } cap ? Text(cap) : ""], cancellation);

    /// <summary>The budget as it stands.</summary>
    public async ValueTask<BudgetRecord> BudgetAsync(string database, IReadOnlyList<string> roles, CancellationToken cancellation)
    {
        var v = await store.DecideAsync(Decision.Budget, database, roles, cancellation);
        var uses = new List<RoleUse>();
        for (var i = 9; i + 3 < v.Length; i += 4) uses.Add(new(v[i], Number(v[i + 1]), Number(v[i + 2]), Number(v[i + 3])));
        return new(Time(v[0])!.Value, Time(v[1]), Number(v[2]), Number(v[3]), Number(v[4]), Number(v[5]), Number(v[6]), Number(v[7]), Number(v[8]), uses);
    }

    /// <summary>Writes which users in the database look like the broker's and are known to no lease: these are all.</summary>
    public async ValueTask ReplaceLeftoversAsync(string database, IReadOnlyList<(string Username, string Facts)> users, CancellationToken cancellation) =>
        await store.DecideAsync(Decision.Leftovers, database, ["all", .. users.SelectMany(user => new[] { user.Username, user.Facts })], cancellation);

    /// <summary>The leftovers as found last.</summary>
    public async ValueTask<IReadOnlyList<LeftoverRecord>> LeftoversAsync(string database, CancellationToken cancellation)
    {
        var v = await store.DecideAsync(Decision.Leftovers, database, [], cancellation);
        var found = new LeftoverRecord[(v.Length - 1) / 3];
        for (var i = 0; i < found.Length; i++) found[i] = new(v[1 + 3 * i], Time(v[2 + 3 * i])!.Value, v[3 + 3 * i]);
        return found;
    }
}

/// <summary>Whether one may change what the database itself lets a lease's user open.</summary>
public abstract record CapTurn
{
    /// <summary>One may, alone.</summary>
    /// <param name="Connections">What the lease's holders have now.</param>
    /// <param name="Cap">What the database was told last; null: nothing.</param>
    /// <param name="Username">The user.</param>
    /// <param name="Free">Connections of the database that nobody was promised.</param>
    public sealed record Taken(int Connections, int? Cap, string Username, int Free) : CapTurn;

    /// <summary>Another is at it.</summary>
    public sealed record Busy : CapTurn;

    /// <summary>The lease is over.</summary>
    public sealed record Gone : CapTurn;
}
