using Broker.Core.Operators;

namespace Broker.Api.Fronts.Native.Budgets;

/// <summary>A database's budget as the API writes it. All numbers are connections but <see cref="Waiting"/>.</summary>
/// <param name="Database">The database.</param>
/// <param name="Engine">Its engine.</param>
/// <param name="Server">The server, by the name that its databases have in common in the ledger.</param>
/// <param name="Limit">The server's limit.</param>
/// <param name="ReservedForSuperusers">Those that ordinary users never get.</param>
/// <param name="Ceiling">What may be promised when nobody else uses the database.</param>
/// <param name="Foreign">In use by others, or promised on other databases of the server.</param>
/// <param name="ElsewhereOnServer">Those of them that are promised on other databases of the server.</param>
/// <param name="Capacity">What may be promised now.</param>
/// <param name="Granted">Promised to holders.</param>
/// <param name="Free">What can be granted now.</param>
/// <param name="Waiting">Claims in line.</param>
/// <param name="SampledAt">When the connections were counted last.</param>
/// <param name="Stale">That is too long ago: nothing new is promised.</param>
/// <param name="Roles">By role.</param>
/// <param name="Resting">Nobody holds or waits for a connection: the database is asked nothing, and these numbers are the last that were counted.</param>
public sealed record BudgetShape(
    string Database, string Engine, string Server, int Limit, int ReservedForSuperusers, int Ceiling, int Foreign, int ElsewhereOnServer, int Capacity, int Granted, int Free,
    int Waiting, DateTimeOffset? SampledAt, bool Stale, IReadOnlyList<BudgetShape.RoleShape> Roles, bool Resting)
{
    /// <summary>Of the free ones: kept for roles and teams to whom they are guaranteed, and who do not have them.</summary>
    public int Kept { get; init; }

    /// <summary>Of the server's: kept for what is guaranteed on its other databases, and nobody has. None of them are free here.</summary>
    public int KeptElsewhere { get; init; }

    /// <summary>What holders' users had open when the connections were counted last, what is open beyond their grants included.</summary>
    public int Open { get; init; }

    /// <summary>An operator's order on the ceiling; null: the configured one is in force.</summary>
    public CeilingOrderShape? CeilingOrder { get; init; }

    /// <summary>What pools its connections; null: its pods connect to the server itself.</summary>
    public PoolerShape? Pooler { get; init; }

    /// <summary>What a role's holders have.</summary>
    /// <param name="Role">The role.</param>
    /// <param name="Holders">How many.</param>
    /// <param name="Connections">Granted to them.</param>
    /// <param name="Over">Open beyond what was granted: some pod ignores its allotment.</param>
    /// <param name="ExpectedHolders">As configured.</param>
    public sealed record RoleShape(string Role, int Holders, int Connections, int Over, int ExpectedHolders)
    {
        /// <summary>All that its users had open when the connections were counted last, what is beyond included.</summary>
        public int Open { get; init; }

        /// <summary>An operator's order on it; null: it gives.</summary>
        public PauseShape? Pause { get; init; }
    }

    /// <summary>An operator's order on a ceiling.</summary>
    /// <param name="Ceiling">Connections that may be promised at most.</param>
    /// <param name="Reason">Why, in the operator's words; empty: not known.</param>
    /// <param name="By">Who ordered it; empty: not known.</param>
    /// <param name="Since">Since when; null: not known.</param>
    public sealed record CeilingOrderShape(int Ceiling, string Reason, string By, DateTimeOffset? Since);

    /// <summary>An operator's order on a role.</summary>
    /// <param name="State"><c>paused</c>: nobody new gets it; <c>draining</c>: nor does anybody get more time.</param>
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
