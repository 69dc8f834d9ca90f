namespace Broker.Core.Ledger;

/// <summary>
/// The history of a database's connections for a week, at falling resolution: 10 s for an hour, a minute for six hours, ten minutes for a day,
/// an hour for a week; and its refusals. Bounded: the oldest is overwritten. All methods throw <see cref="LedgerException"/> when
/// the store does not answer.
/// </summary>
public sealed class HistoryLedger(ILedgerStore store)
{
    private const int MostRefusals = 100;

    private readonly LedgerClient client = new(store);

    /// <summary>Adds a count of the database's connections to its history.</summary>
    public async ValueTask RecordAsync(string database, BudgetRecord budget, CancellationToken cancellation) => await client.TakeAsync(
        Decision.RecordHistory,
        NameOf(database),
        new(budget.Limit, budget.Ceiling, budget.Foreign, budget.Capacity, budget.Granted, budget.Waiting, [.. budget.Roles.Select(role => new RolePeak(role.Role, role.Connections))]),
        cancellation);

    /// <summary>Adds the refusals since this replica last reported.</summary>
    public async ValueTask RefusedAsync(string database, IReadOnlyList<RefusedCaller> refused, CancellationToken cancellation) =>
        await client.TakeAsync(Decision.RecordRefusals, NameOf(database), new(refused), cancellation);

    /// <summary>The history at one resolution.</summary>
    public ValueTask<HistoryRecord> ReadAsync(string database, HistorySpan span, CancellationToken cancellation) =>
        client.TakeAsync(Decision.ReadHistory, NameOf(database), new((int)span, MostRefusals), cancellation);

    // No database can have this name.
    internal static string NameOf(string database) => "~history-" + database;
}

/// <summary>How far back a history goes, and so its resolution.</summary>
public enum HistorySpan
{
    /// <summary>An hour, in stretches of 10 s.</summary>
    Hour = 1,

    /// <summary>Six hours, in minutes.</summary>
    SixHours = 2,

    /// <summary>A day, in stretches of ten minutes.</summary>
    Day = 3,

    /// <summary>A week, in hours.</summary>
    Week = 4,
}

/// <summary>A stretch of time. All numbers except <paramref name="Waiting"/> and <paramref name="Refused"/> are connections.</summary>
/// <param name="Start">When it began.</param>
/// <param name="Limit">The server's limit; below 0: nothing was counted.</param>
/// <param name="Ceiling">What could be promised when nobody else used the database.</param>
/// <param name="Foreign">The most in use by others.</param>
/// <param name="Capacity">The least that could be promised.</param>
/// <param name="Granted">The most promised.</param>
/// <param name="Used">The most of both together.</param>
/// <param name="Waiting">The most claims in line.</param>
/// <param name="Free">The least free.</param>
/// <param name="Refused">Claims refused.</param>
public sealed record HistoryStretch(DateTimeOffset Start, int Limit, int Ceiling, int Foreign, int Capacity, int Granted, int Used, int Waiting, int Free, int Refused);

/// <summary>The most that a role's holders had in a stretch of time.</summary>
/// <param name="Start">When it began.</param>
/// <param name="Role">The role.</param>
/// <param name="Connections">Promised to its holders.</param>
public sealed record HistoryPeak(DateTimeOffset Start, string Role, int Connections);

/// <summary>A caller that was refused something.</summary>
/// <param name="Role">The requested role.</param>
/// <param name="Code">The refusal's code.</param>
/// <param name="Caller">The caller.</param>
/// <param name="First">When it was first refused.</param>
/// <param name="Last">When it was last refused.</param>
/// <param name="Count">How often.</param>
/// <param name="Words">What it was last told.</param>
public sealed record HistoryRefusal(string Role, string Code, string Caller, DateTimeOffset First, DateTimeOffset Last, int Count, string Words);

/// <summary>A database's history at one resolution.</summary>
/// <param name="Now">The ledger's time.</param>
/// <param name="Width">How long a stretch is.</param>
/// <param name="Stretches">Those with data, the oldest first.</param>
/// <param name="Peaks">The roles' peaks of each; none at the finest resolution.</param>
/// <param name="Refusals">The refusals, the latest first, at most 100.</param>
public sealed record HistoryRecord(
    DateTimeOffset Now, TimeSpan Width, IReadOnlyList<HistoryStretch> Stretches, IReadOnlyList<HistoryPeak> Peaks, IReadOnlyList<HistoryRefusal> Refusals);

/// <summary>A refusal that is reported, with how often it was given.</summary>
/// <param name="Role">The requested role; has no bar.</param>
/// <param name="Code">The refusal's code.</param>
/// <param name="Caller">The caller.</param>
/// <param name="Count">How often since the last report.</param>
/// <param name="Words">What it was last told.</param>
public sealed record RefusedCaller(string Role, string Code, string Caller, int Count, string Words);

/// <summary>What a role's holders have.</summary>
internal sealed record RolePeak(string Name, int Connections);

/// <summary>A count.</summary>
internal sealed record RecordHistoryQuestion(int Limit, int Ceiling, int Foreign, int Capacity, int Granted, int Waiting, IReadOnlyList<RolePeak> Roles);

/// <summary>Refusals.</summary>
internal sealed record RecordRefusalsQuestion(IReadOnlyList<RefusedCaller> Refusals);

/// <summary>Which resolution.</summary>
internal sealed record ReadHistoryQuestion(int Tier, int MostRefusals);
