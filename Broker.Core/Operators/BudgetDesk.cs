using Broker.Core.Budgets;
using Broker.Core.Catalog;
using Broker.Core.Leases;
using Broker.Core.Leases.Pausing;
using Broker.Core.Ledger;
using Broker.Core.Limits;

namespace Broker.Core.Operators;

/// <summary>A database's connections, as a DBA sees them.</summary>
/// <param name="Database">From the catalog.</param>
/// <param name="Record">From the ledger.</param>
/// <param name="Roles">The database's roles.</param>
/// <param name="Server">The server, by the name that its databases have in common in the ledger.</param>
public sealed record Budget(Database Database, BudgetRecord Record, IReadOnlyList<Role> Roles, string Server)
{
    /// <summary>Whether the last count is too old to promise anything on, or from before a loss of the ledger's. A resting database is counted again before anything is promised.</summary>
    public bool IsStale => !Record.Resting && (Record.LostSince || Record.SampledAt is not { } at || Record.Now - at > Database.Budget.StaleAfter);

    /// <summary>Operators' orders on its roles.</summary>
    public IReadOnlyList<RolePause> Pauses { get; init; } = [];

    /// <summary>An operator's order on its ceiling; null: the configured one is in force, or the order cannot be opened, and nothing is counted.</summary>
    public CeilingOrder? CeilingOrder { get; init; }

    /// <summary>Its pooler as it was last seen; null when it has none, or nothing is known about it yet.</summary>
    public PoolerState? Pooler { get; init; }

    /// <summary>By party: connections that are kept free for it while it does not have them; parties without a guarantee are absent.</summary>
    public IReadOnlyDictionary<string, int> Guaranteed { get; init; } = new Dictionary<string, int>();
}

/// <summary>Reads budgets for display.</summary>
internal sealed class BudgetDesk(ICatalog catalog, SharedLedger ledger, RolePauses pauses, Ceilings ceilings, PoolerStates poolers, HistoryLedger history, TimeProvider time)
{
    private static readonly TimeSpan CountedWithin = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(100);

    /// <summary>All budgets, by name.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async ValueTask<IReadOnlyList<Budget>> ReadAllAsync(CancellationToken cancellation)
    {
        var budgets = new List<Budget>();
        foreach (var name in catalog.Current.Databases.Keys.Order(StringComparer.Ordinal))
        {
            if (await ReadAsync(name, cancellation) is { } budget) budgets.Add(budget);
        }

        return budgets;
    }

    /// <summary>One database's budget; null when the catalog has no such database.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public ValueTask<Budget?> ReadAsync(string name, CancellationToken cancellation) => ReadAsync(catalog.Current, name, cancellation);

    private async ValueTask<Budget?> ReadAsync(CatalogSnapshot current, string name, CancellationToken cancellation)
    {
        if (!current.Databases.TryGetValue(name, out var database)) return null;
        var roles = current.Roles.Values.Where(role => role.Database == name).OrderBy(role => role.Name, StringComparer.Ordinal).ToArray();
        return new(database, await ledger.Budgets.BudgetAsync(name, Array.ConvertAll(roles, role => role.Name), cancellation), roles, LedgerKeys.ServerOf(ledger.AddressOf(name) ?? name))
        {
            Pauses = await pauses.ListAsync(name, cancellation),
            CeilingOrder = await ceilings.FindAsync(database, cancellation),
            Pooler = database.Pooler is null ? null : await poolers.FindAsync(name, cancellation),
            Guaranteed = Parties.TermsOf(current, name).Parties.Where(party => party.Guaranteed > 0).ToDictionary(party => party.Name, party => party.Guaranteed, StringComparer.Ordinal),
        };
    }

    /// <summary>The waiters in line for a database's connections, in the order in which they are served; null when the catalog has no such database.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async ValueTask<IReadOnlyList<WaitingCaller>?> LineAsync(string name, int most, CancellationToken cancellation) =>
        catalog.Current.Databases.ContainsKey(name) ? await ledger.Budgets.LineAsync(name, most, cancellation) : null;

    /// <summary>A role's database and what its holders have; null when the catalog has no such role.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async ValueTask<(Budget Budget, RoleUse Use)?> FindRoleAsync(string role, CancellationToken cancellation)
    {
        var current = catalog.Current;
        return current.Roles.TryGetValue(role, out var known) && await ReadAsync(current, known.Database, cancellation) is { } budget
            ? (budget, budget.Record.Roles.First(use => use.Role == role))
            : null;
    }

    /// <summary>
    /// What a rollout would do to a database's connections, now or at a time of day (UTC), and who holds them then; null when the catalog has no such database.
    /// </summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async ValueTask<BudgetForecast?> ForecastAsync(string name, PlannedRollout rollout, string? role, TimeOnly? at, CancellationToken cancellation)
    {
        if (at is { } then && await ReadAsync(name, cancellation) is { } current
            && ForecastAtTime.Of(rollout, role, then, await history.ReadAsync(name, HistorySpan.Week, cancellation), current.Guaranteed) is var (said, days, had))
            return new(current, said, had) { At = at, Days = days };
        if (await ReadCountedAsync(name, cancellation) is not { } budget) return null;
        ForecastHolder[] holders =
        [
            .. (await ledger.Holders.HoldersAsync(name, null, int.MaxValue, cancellation)).Select(holder =>
                new ForecastHolder(holder.Role, holder.Connections, holder.EndsAt - budget.Record.Now) { Party = holder.Party, DownTo = holder.DownTo, Least = holder.Least }),
        ];
        return new(budget, Forecast.Of(rollout, role, budget.Record.Capacity, holders, budget.Guaranteed), holders) { At = at };
    }

    // The last count of a resting database is outdated, so it is counted first.
    private async ValueTask<Budget?> ReadCountedAsync(string name, CancellationToken cancellation)
    {
        var from = time.GetTimestamp();
        var budget = await ReadAsync(name, cancellation);
        if (budget is not { Record.Resting: true }) return budget;
        await ledger.Budgets.WakeAsync(name, cancellation);
        var before = budget.Record.SampledAt;
        while (budget is not null && budget.Record.SampledAt == before && time.GetElapsedTime(from) < CountedWithin)
        {
            await Task.Delay(LookAgain, time, cancellation);
            budget = await ReadAsync(name, cancellation);
        }

        return budget;
    }
}

/// <summary>A forecast, with the data that it is based on.</summary>
/// <param name="Budget">The budget then.</param>
/// <param name="Forecast">The forecast.</param>
/// <param name="Holders">Who holds connections.</param>
public sealed record BudgetForecast(Budget Budget, Forecast Forecast, IReadOnlyList<ForecastHolder> Holders)
{
    /// <summary>The time of day that was asked about; null: now.</summary>
    public TimeOnly? At { get; init; }

    /// <summary>How many days of the last week it is based on; 0: only on the current state.</summary>
    public int Days { get; init; }

    /// <summary>Nothing is promised now, because the last count is too old.</summary>
    public bool IsStale => Days == 0 && Budget.IsStale;
}
