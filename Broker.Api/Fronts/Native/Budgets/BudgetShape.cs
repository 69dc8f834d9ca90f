using Broker.Core.Operators;

namespace Broker.Api.Fronts.Native.Budgets;

/// <summary>A database's budget as the API writes it. All numbers except <see cref="Waiting"/> are connections.</summary>
/// <param name="Database">The database.</param>
/// <param name="Engine">Its engine.</param>
/// <param name="Server">The server, by the name that the ledger has for it.</param>
/// <param name="Limit">The server's limit.</param>
/// <param name="ReservedForSuperusers">Connections that ordinary users never get.</param>
/// <param name="Ceiling">What may be promised when nobody else uses the database.</param>
/// <param name="Foreign">In use by others, or promised on other databases of the server.</param>
/// <param name="ElsewhereOnServer">The part of Foreign that is promised on other databases of the server.</param>
/// <param name="Capacity">What may be promised now.</param>
/// <param name="Granted">Promised to holders.</param>
/// <param name="Free">What can be granted now.</param>
/// <param name="Waiting">Claims in line.</param>
/// <param name="SampledAt">When the connections were last counted.</param>
/// <param name="Stale">Whether the last count is too old, so that nothing new is promised.</param>
/// <param name="Roles">By role.</param>
/// <param name="Resting">Whether nobody holds or waits for a connection, so that the database is not queried and these numbers are from the last count.</param>
public sealed record BudgetShape(
    string Database, string Engine, string Server, int Limit, int ReservedForSuperusers, int Ceiling, int Foreign, int ElsewhereOnServer, int Capacity, int Granted, int Free,
    int Waiting, DateTimeOffset? SampledAt, bool Stale, IReadOnlyList<BudgetShape.RoleShape> Roles, bool Resting)
{
    /// <summary>Free connections that are kept for roles and teams that are guaranteed them and do not have them.</summary>
    public int Kept { get; init; }

    /// <summary>Connections of the server that are kept for guarantees on its other databases and that nobody has. They are not free here.</summary>
    public int KeptElsewhere { get; init; }

    /// <summary>Connections that holders' users had open at the last count, including those beyond their grants.</summary>
    public int Open { get; init; }

    /// <summary>The operator's order on the ceiling; null when the configured one is in force.</summary>
    public CeilingOrderShape? CeilingOrder { get; init; }

    /// <summary>The pooler in front of the database; null when its pods connect to the server itself.</summary>
    public PoolerShape? Pooler { get; init; }

    /// <summary>What a role's holders have.</summary>
    /// <param name="Role">The role.</param>
    /// <param name="Holders">How many.</param>
    /// <param name="Connections">Granted to them.</param>
    /// <param name="Over">Connections open beyond what was granted: some pod ignores its allotment.</param>
    /// <param name="ExpectedHolders">As configured.</param>
    public sealed record RoleShape(string Role, int Holders, int Connections, int Over, int ExpectedHolders)
    {
        /// <summary>All connections that its users had open at the last count, including those beyond the grants.</summary>
        public int Open { get; init; }

        /// <summary>The operator's order on the role; null when the role is open.</summary>
        public PauseShape? Pause { get; init; }
    }

    /// <summary>An operator's order on a ceiling.</summary>
    /// <param name="Ceiling">Connections that may be promised at most.</param>
    /// <param name="Reason">Why, in the operator's words; empty: not known.</param>
    /// <param name="By">Who ordered it; empty: not known.</param>
    /// <param name="Since">Since when; null: not known.</param>
    public sealed record CeilingOrderShape(int Ceiling, string Reason, string By, DateTimeOffset? Since);

    /// <summary>An operator's order on a role.</summary>
    /// <param name="State"><c>paused</c>: no new holder gets it; <c>draining</c>: no holder gets more time either.</param>
    /// <param name="Reason">Why, in the operator's words.</param>
    /// <param name="By">Who ordered it.</param>
    /// <param name="Since">Since when.</param>
    public sealed record PauseShape(string State, string Reason, string By, DateTimeOffset Since);

    /// <summary>Of a budget.</summary>
    public static BudgetShape Of(Budget budget)
    {
        var record = budget.Record;
        var roles = budget.Roles.Zip(record.Roles, (role, use) => new RoleShape(role.Name, use.Holders, use.Connections, use.Over, role.Connections.ExpectedHolders)
        {
            Open = use.Open,
            Pause = budget.Pauses.FirstOrDefault(pause => pause.Role == role.Name) is { } order ? new(Core.Model.WireName.Of(order.State), order.Reason, order.By, order.Since) : null,
        });
        return new(
            budget.Database.Name, budget.Database.Engine.ToString(), budget.Server, record.Limit, record.ReservedForSuperusers, record.Ceiling, record.Foreign,
            record.ElsewhereOnServer, record.Capacity, record.Granted, record.Free, record.Waiting, record.SampledAt, budget.IsStale, [.. roles], record.Resting)
        {
            Kept = record.Kept,
            KeptElsewhere = record.KeptElsewhere,
            Open = record.Open,
            Pooler = PoolerShape.Of(budget),
            CeilingOrder = budget.CeilingOrder is { } set ? new(set.Connections, set.Reason, set.By, set.Since) : null,
        };
    }
}

/// <summary>All budgets.</summary>
public sealed record BudgetsShape(IReadOnlyList<BudgetShape> Budgets);
