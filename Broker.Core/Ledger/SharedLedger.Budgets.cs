namespace Broker.Core.Ledger;

/// <summary>What is known of a database's connections and users.</summary>
public sealed partial class SharedLedger
{
    /// <summary>Writes a count of the database's connections.</summary>
    public async ValueTask SampleAsync(
        string database, int capacity, int limit, int reserved, int ceiling, int foreign, TimeSpan staleAfter, CancellationToken cancellation) =>
        await store.DecideAsync(
            Decision.Sample, database, [Text(capacity), Text(limit), Text(reserved), Text(ceiling), Text(foreign), Text(staleAfter)], cancellation);

    /// <summary>The budget as it stands.</summary>
    public async ValueTask<BudgetRecord> BudgetAsync(string database, IReadOnlyList<string> roles, CancellationToken cancellation)
    {
        var v = await store.DecideAsync(Decision.Budget, database, roles, cancellation);
        var uses = new List<RoleUse>();
        for (var i = 9; i + 2 < v.Length; i += 3) uses.Add(new(v[i], Number(v[i + 1]), Number(v[i + 2])));
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
