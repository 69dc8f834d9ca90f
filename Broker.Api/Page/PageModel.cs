using Broker.Api.Fronts;
using Broker.Core.Leases.Shadow;
using Broker.Core.Ledger;
using Broker.Core.Operators;
using Broker.Core.Operators.Holdings;
using Broker.Core.Operators.Indicators;

namespace Broker.Api.Page;

/// <summary>A viewer's request to the page; all of it is in the address, so that a view can be sent to a colleague.</summary>
/// <param name="Lease">The lease whose holders are shown; null: none.</param>
/// <param name="Search">What the shown holders' names must contain; empty: anything.</param>
/// <param name="Sort">How holders are sorted: <c>ends</c>, <c>connections</c> or <c>who</c>.</param>
/// <param name="Database">The database of the forecast; null: none.</param>
/// <param name="Pods">Pods of the planned rollout.</param>
/// <param name="Connections">Connections of each pod.</param>
/// <param name="At">The time of day at which it begins, in UTC; null: now.</param>
public sealed record PageQuery(string? Lease, string Search, string Sort, string? Database, int? Pods, int? Connections, TimeOnly? At = null);

/// <summary>All that the page shows at one moment.</summary>
/// <param name="Who">The viewer of the page.</param>
/// <param name="MayOrder">Whether this person may give orders.</param>
/// <param name="At">The ledger's time.</param>
/// <param name="Trouble">Why nothing, or nothing new, is shown; null when all is well.</param>
/// <param name="Databases">The databases, by name; <see cref="MostUrgentFirst"/> is how they are shown.</param>
/// <param name="Query">The request.</param>
/// <param name="Done">What an order has done; null when none was given.</param>
public sealed record PageModel(
    string Who, bool MayOrder, DateTimeOffset At, string? Trouble, IReadOnlyList<DatabaseView> Databases, PageQuery Query, string? Done)
{
    /// <summary>Duties of issuers, which belong to no database, that keep failing.</summary>
    public IReadOnlyList<Duty> Failing { get; init; } = [];

    /// <summary>The same, as they are shown.</summary>
    public IEnumerable<FailingDutyView> Failures => Failing.Select(duty => new FailingDutyView(duty, null, ConsequenceOf(duty), At));

    /// <summary>Whether the service meets its objectives.</summary>
    public IReadOnlyList<Indicator> Indicators { get; init; } = [];

    /// <summary>What sharing would have saved in shadow mode; null when the broker is not in shadow mode and was not lately.</summary>
    public ShadowView? Shadow { get; init; }

    /// <summary>How many databases in need of attention are named at the top.</summary>
    public const int MostAtAGlance = 12;

    private const int MostUnfolded = 5;

    /// <summary>Whether there are so many databases that most are shown in one line each.</summary>
    public bool Folds => Databases.Count > 3;

    /// <summary>Sorted by how urgent they are, then by name; when there are few, by name only.</summary>
    public IReadOnlyList<DatabaseView> MostUrgentFirst => field ??= Folds ? [.. Databases.OrderBy(database => database.Concern).ThenBy(database => database.Budget.Database.Name, StringComparer.Ordinal)] : Databases;

    /// <summary>The databases that need attention, the most urgent first.</summary>
    public IEnumerable<DatabaseView> NeedingAttention => MostUrgentFirst.Where(database => database.Concern != Concern.Quiet);

    /// <summary>How many databases are in which state, in a sentence.</summary>
    public string AtAGlance => $"{Wording.Count(Databases.Count, "database")}: " + string.Join(", ", Databases.CountBy(database => database.Concern).OrderBy(of => of.Key).Select(of => of.Key switch
    {
        Concern.Uncounted => $"{of.Value} cannot be counted",
        Concern.Contended => $"{of.Value} with claims waiting or too much promised",
        Concern.Full => $"{of.Value} full",
        Concern.Degraded => $"{of.Value} with something to fix",
        Concern.Filling => $"{of.Value} nearly full",
        _ => $"{of.Value} quiet",
    })) + ".";

    // An issuer that refuses the broker makes no new users; those that it has made work until their end.
    private string? ConsequenceOf(Duty duty) => duty.Kind != DutyKinds.Token ? null
        : "While the issuer refuses it, no user is made or renewed; holders keep the login they have"
            + (Databases.SelectMany(database => database.LeasesOf(duty.Subject)).Where(lease => lease.Holders > 0 && lease.ExpiresAt is not null).MinBy(lease => lease.ExpiresAt) is { ExpiresAt: { } end }
                ? $", and the first of these ends in {Wording.Span(end - At)}." : ".");

    /// <summary>Whether a database is shown as a line that opens: a quiet one, and all but the most urgent, unless the viewer asked about it.</summary>
    public bool IsFolded(DatabaseView database) =>
        Folds && database is { Holders: null, Forecast: null } && (database.Concern == Concern.Quiet || !MostUrgentFirst.Take(MostUnfolded).Contains(database));
}

/// <summary>What shadow mode saw.</summary>
/// <param name="Rows">By path; empty when nothing has been read yet.</param>
/// <param name="At">This replica's time.</param>
public sealed record ShadowView(IReadOnlyList<ShadowRow> Rows, DateTimeOffset At)
{
    /// <summary>All paths together, in a sentence; null when nothing has been read yet.</summary>
    public string? Sum => Rows.Count == 0 ? null
        : $"Sharing would have made {Wording.Count(Rows.Sum(row => row.UsersShared), "database user")} instead of {Wording.Number(Rows.Sum(row => row.Users))}, "
            + $"and would count {Wording.Count(Rows.Sum(row => (long)row.ConnectionsShared), "connection")} now instead of {Wording.Number(Rows.Sum(row => (long)row.Connections))}.";
}

/// <summary>A duty that keeps failing.</summary>
/// <param name="Duty">Which.</param>
/// <param name="Username">The user of the lease that it concerns; null when not known, or when it concerns no lease.</param>
/// <param name="Consequence">What happens unless it succeeds, in sentences; null when this page knows of nothing.</param>
/// <param name="At">The ledger's time.</param>
public sealed record FailingDutyView(Duty Duty, string? Username, string? Consequence, DateTimeOffset At);

/// <summary>One database.</summary>
/// <param name="Budget">Its budget.</param>
/// <param name="Leases">Its leases, those that take holders first.</param>
/// <param name="Failing">Duties of it that keep failing.</param>
/// <param name="Leftovers">Users that look like the broker's and that no lease knows.</param>
/// <param name="Holders">The holders of the requested lease, if it is in this database; otherwise null.</param>
/// <param name="Forecast">The forecast for the planned rollout; null when none was requested.</param>
/// <param name="At">The ledger's time.</param>
/// <param name="MayOrder">Whether the viewer may give orders.</param>
/// <param name="Query">The request.</param>
public sealed record DatabaseView(
    Budget Budget, IReadOnlyList<LeaseRecord> Leases, IReadOnlyList<Duty> Failing, IReadOnlyList<Core.Leases.Leftover> Leftovers,
    IReadOnlyList<HolderRecord>? Holders, string? Forecast, DateTimeOffset At, bool MayOrder, PageQuery Query)
{
    private const int MostNamed = 3;

    /// <summary>The first waiters in line.</summary>
    public IReadOnlyList<WaitingCaller> Line { get; init; } = [];

    /// <summary>Its holders, with what they have open; empty when they were not read.</summary>
    public IReadOnlyList<Holding> Inspected { get; init; } = [];

    /// <summary>Holders that visibly have more open than they were granted, most first.</summary>
    public IReadOnlyList<Holding> Leaks => field ??= [.. Inspected.Where(static holder => holder.Over > 0).OrderByDescending(static holder => holder.Over)];

    /// <summary>Its duties that keep failing, as they are shown.</summary>
    public IEnumerable<FailingDutyView> Failures => Failing.Select(duty =>
    {
        var lease = Leases.FirstOrDefault(lease => lease.Id == duty.Subject && lease.Username.Length > 0);
        return new FailingDutyView(duty, lease?.Username, ConsequenceOf(duty, lease), At);
    });

    /// <summary>Its leases of one issuer.</summary>
    internal IEnumerable<LeaseRecord> LeasesOf(string issuer) => Leases.Where(lease => Budget.Roles.Any(role => role.Name == lease.Role && role.Issuer == issuer));

    /// <summary>How many connections a role visibly has open beyond its grants; more than the role's sum shows when one holder has too many and another too few.</summary>
    public int OverOf(RoleUse role) => Math.Max(role.Over, Leaks.Where(holder => holder.Role == role.Role).Sum(static holder => holder.Over));

    /// <summary>The history of its connections; null when not known.</summary>
    public Core.Leases.History.DatabaseHistory? History { get; init; }

    /// <summary>The parts of the bar, in connections: they add up to the server's limit, or to more when more is promised.</summary>
    public BarView Bar => BarView.Of(Budget);

    /// <summary>Why nothing new is promised; null when something may be.</summary>
    public string? WhyNothing => Budget switch
    {
        { Record.SampledAt: null } => "Never counted: nothing is promised." + Cause,
        { IsStale: true } => $"The connections were last counted {Ago(Budget.Record.SampledAt!.Value)}: nothing new is promised." + Cause,
        { Record: { Free: <= 0, Capacity: > 0 } record } when record.Granted >= record.Capacity =>
            $"Full: all {Wording.Number(record.Capacity)} that may be promised are promised{Unopened(record)}.",
        { Record.Free: <= 0 } => "Full: nothing is free.",
        _ => null,
    };

    /// <summary>The operator's order on its ceiling, in a sentence; null when the configured one is in force.</summary>
    public string? CeilingSet => Budget.CeilingOrder is not { } order ? null
        : $"The ceiling was set to {Wording.Number(order.Connections)}{(order.By.Length > 0 ? $" by {order.By}" : "")}{(order.Since is { } since ? $", {Ago(since)}" : "")}{(order.Reason.Length > 0 ? $": {order.Reason}" : "")}";

    /// <summary>How urgently it needs attention.</summary>
    public Concern Concern => Budget switch
    {
        { Record.SampledAt: null } or { IsStale: true, Record.Resting: false } => Concern.Uncounted,
        { Record.Waiting: > 0 } => Concern.Contended,
        { Record: { Resting: false } record } when record.Granted > record.Capacity => Concern.Contended,
        { Record: { Free: <= 0, Resting: false } } => Concern.Full,
        _ when Failing.Count + Leftovers.Count + Budget.Pauses.Count > 0 || Budget.Record.Roles.Any(role => role.Over > 0)
            || Leases.Any(lease => lease.State is Core.Model.LeaseState.RevokeFailed or Core.Model.LeaseState.Unknown) => Concern.Degraded,
        { Record: { Resting: false } record } when record.Free * 100L < record.Capacity * 15L => Concern.Filling,
        _ => Concern.Quiet,
    };

    /// <summary>Who fills it and since when, then who has more open than granted, and who has connections granted but not open; empty when it is not full and none of these apply.</summary>
    public IReadOnlyList<string> FilledBy => field ??= [.. Incident()];

    /// <summary>Why somebody waits although connections are free; null when none are free or nobody waits.</summary>
    public string? WhyWaiting => this is not { Bar.Free: > 0, Line: [var first, ..] } ? null
        : Budget.Record.Kept >= Bar.Free ? $"{(Bar.Free == 1 ? "The one free connection is kept for the party to which it is" : $"All {Wording.Number(Bar.Free)} free connections are kept for the parties to which they are")} guaranteed."
        : first.Least > Bar.Free - Budget.Record.Kept ? $"{Wording.Number(Bar.Free - Budget.Record.Kept)} could be given, but {first.Caller}, who is first in line, takes no fewer than {Wording.Number(first.Least)}; later claims wait behind it."
        : null;

    /// <summary>The role that has most connections and takes new holders: pausing it stops the growth without cutting anybody off; null when there is none.</summary>
    public string? FillingRole => Budget.Record.Roles.Where(role => role.Connections > 0 && Budget.Pauses.All(pause => pause.Role != role.Role)).MaxBy(role => role.Connections)?.Role;

    /// <summary>Whether the viewer can relieve a full database without cutting anybody off.</summary>
    public bool CanRelieve => MayOrder && Concern is Concern.Contended or Concern.Full && (Bar.Above > 0 || FillingRole is not null);

    /// <summary>The progress of a lease's rotation; null when it is not being replaced.</summary>
    public string? Rotation(LeaseRecord lease)
    {
        if (lease.State != Core.Model.LeaseState.Retiring || lease.Holders == 0) return null;
        var moved = Leases.Where(other => other.Pool == lease.Pool && other.State == Core.Model.LeaseState.Active).Sum(other => other.Holders);
        return $"{Wording.Count(lease.Holders, "holder")} still use this user, {moved} have moved";
    }

    /// <summary>How long ago something was.</summary>
    public string Ago(DateTimeOffset time) => Wording.Span(At - time) + " ago";

    /// <summary>How long it is until something.</summary>
    public string Until(DateTimeOffset time) => time <= At ? "ended" : Wording.Span(time - At);

    private IEnumerable<string> Incident()
    {
        var record = Budget.Record;
        if (record.SampledAt is null) yield break;
        if (record.Free <= 0 || record.Waiting > 0)
        {
            string[] most =
            [
                .. record.Roles.Where(role => role.Connections > 0).OrderByDescending(role => role.Connections).Take(MostNamed)
                    .Select(role => $"{role.Role} has {Wording.Number(role.Connections)} ({Wording.Count(role.Holders, "holder")})"),
                .. record.KeptElsewhere > 0 ? [$"{Wording.Number(record.KeptElsewhere)} are kept for what is guaranteed on other databases of this server"] : Array.Empty<string>(),
                .. record.Foreign > 0 ? [$"{Wording.Number(record.Foreign)} {(record.Granted > 0 ? "others " : "")}are foreign"] : Array.Empty<string>(),
            ];
            // The history has one entry per minute.
            var since = FullSince is { } full ? $"Full since {PageText.Minute(full, At)}{(At - full >= TimeSpan.FromMinutes(2) ? $", for {Wording.Span(At - full)}" : "")}." : "";
            if (most.Length > 0 || since.Length > 0) yield return $"{string.Join(", ", most)}{(most.Length > 0 ? ". " : "")}{since}".TrimEnd();
        }

        if (Leaks.Count > 0)
        {
            yield return string.Join(", ", Leaks.Take(MostNamed).Select(holder => $"{holder.Caller} has {Wording.Number(holder.Open!.Connections)} open and was granted {Wording.Number(holder.Granted + holder.Moving)}"))
                + (Leaks.Count > MostNamed ? $", and {Wording.Number(Leaks.Count - MostNamed)} more have too many" : "") + ": a leak, or a pool that is too large.";
        }

        // For roles without any named holder: the open connections carry no holder's name, or the holders were not read.
        foreach (var role in record.Roles.Where(role => role.Over > 0 && Leaks.All(holder => holder.Role != role.Role)))
            yield return $"{role.Role} has {Wording.Count(role.Over, "connection")} more open than it was granted: a leak, or pools that are too large.";

        if (Unused.Length > 0)
            yield return "Granted and not open: " + string.Join(", ", Unused.Select(holder => $"{holder.Caller} has {Wording.Number(holder.Open!.Connections)} of {Wording.Number(holder.Granted)} open")) + ".";
    }

    // One holder's excess does not make up for what another has not opened.
    private string Unopened(BudgetRecord record)
    {
        var beyond = Math.Max(0, record.Roles.Sum(OverOf) - record.Roles.Sum(static role => role.Over));
        return record.Granted - Bar.Open + beyond is > 0 and var unused
            ? $"; {Wording.Number(unused)} of these are not open{(beyond > 0 ? $", and {Wording.Number(beyond)} are open that nobody was granted" : "")}" : "";
    }

    private string? ConsequenceOf(Duty duty, LeaseRecord? lease) => duty.Kind == DutyKinds.Renew && lease is { Holders: > 0, ExpiresAt: { } end }
        ? $"Unless it succeeds or another user takes its place, its {Wording.Count(lease.Holders, "holder")} {(lease.Holders == 1 ? "has" : "have")} a login for {Wording.Span(end - At)} more."
        : null;

    // Holders that could give back the most, named only while connections are short; a single unused connection is not worth naming.
    private Holding[] Unused => Budget.Record is { Free: > 0, Waiting: 0 } ? []
        : [.. Inspected.Where(static holder => holder is { Waiting: false, Open: not null } && holder.Granted - holder.Open.Connections > 1)
            .OrderByDescending(static holder => holder.Granted - holder.Open!.Connections).ThenBy(static holder => holder.Caller, StringComparer.Ordinal).Take(MostNamed)];

    // The start of the latest unbroken run of counted stretches in which nothing was free.
    private DateTimeOffset? FullSince => History is null ? null
        : History.Record.Stretches.Where(stretch => stretch.Limit >= 0).Reverse().TakeWhile(stretch => stretch.Free <= 0).LastOrDefault()?.Start;

    private string Cause => Failing.FirstOrDefault(duty => duty.Kind == DutyKinds.Sample) is { Record.Why: { Length: > 0 } why } ? " " + why : "";
}

/// <summary>The bar of a database: connections by what they are.</summary>
/// <param name="Reserved">Ordinary users never get these.</param>
/// <param name="Foreign">In use by others.</param>
/// <param name="Granted">Promised to holders.</param>
/// <param name="Open">The granted connections that were open at the last count.</param>
/// <param name="Free">Connections that can be promised now; 0 while the count is stale.</param>
/// <param name="Unknown">Connections that were free at the last count, which is stale.</param>
/// <param name="Kept">Kept for what is guaranteed on other databases of the server.</param>
/// <param name="Above">Above the ceiling.</param>
/// <param name="Ceiling">The position of the ceiling on the bar.</param>
/// <param name="Whole">The bar's length.</param>
public sealed record BarView(int Reserved, int Foreign, int Granted, int Open, int Free, int Unknown, int Kept, int Above, int Ceiling, int Whole)
{
    /// <summary>Of a budget.</summary>
    public static BarView Of(Budget budget)
    {
        var record = budget.Record;
        var free = budget.IsStale ? 0 : record.Free;
        var unknown = record.Free - free;
        var used = record.ReservedForSuperusers + record.Foreign + record.Granted + free + unknown;
        var kept = Math.Clamp(record.Limit - used, 0, record.KeptElsewhere);
        var whole = Math.Max(Math.Max(record.Limit, used), 1);
        return new(
            record.ReservedForSuperusers, record.Foreign, record.Granted, Math.Clamp(record.Open - record.Roles.Sum(role => role.Over), 0, record.Granted), free, unknown, kept,
            Math.Max(0, record.Limit - used - kept), Math.Min(whole, record.ReservedForSuperusers + record.Foreign + record.Capacity + kept), whole);
    }
}
