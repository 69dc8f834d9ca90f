using System.Diagnostics.Metrics;
using Broker.Core.Catalog;
using Broker.Core.Ledger.Redis;
using Broker.Core.Model;

namespace Broker.Core.Leases;

/// <summary>The broker's instruments, meter <c>Broker</c>. Tags are names from the catalog and closed lists, never callers.</summary>
public sealed class BrokerMetrics
{
    /// <summary>Name of the meter and of the activity source.</summary>
    public const string Name = Tracing.Name;

    /// <summary>The instruments that have a series for each role and outcome.</summary>
    public static IReadOnlyCollection<string> ByRoleAndOutcome { get; } = ["broker.claims", "broker.claim.duration", "broker.claims.late", "broker.holder.renewals"];

    /// <summary>The outcome of a granted claim; all others are refusals' codes.</summary>
    public const string Granted = "granted";

    // The outcomes that alerts query: a counter that first appears at 1 never shows an increase.
    private static readonly string[] ClaimOutcomes =
    [
        Granted,
        .. new[]
        {
            RefusalCode.BudgetExhausted, RefusalCode.RolePaused, RefusalCode.LimitExceeded, RefusalCode.IssueThrottled, RefusalCode.IssuerUnavailable, RefusalCode.LedgerUnavailable,
            RefusalCode.DatabaseUnavailable, RefusalCode.AuditUnavailable, RefusalCode.LoginFailed,
        }.Select(WireName.Of),
    ];

    // Those that concern no claim: what keeps a holder from being renewed.
    private static readonly string[] RenewalOutcomes =
        [Granted, .. new[] { RefusalCode.IssuerUnavailable, RefusalCode.LedgerUnavailable, RefusalCode.DatabaseUnavailable, RefusalCode.AuditUnavailable }.Select(WireName.Of)];

    // The objective and the alert, in seconds. Counted beside the histogram, whose series first appear with a value: an alert would not see the first late claims.
    private static readonly (int Seconds, string Tag)[] Late = [(2, "2"), (5, "5")];

    private static readonly string[] IssueOutcomes =
        ["issued", .. new[] { RefusalCode.IssuerUnavailable, RefusalCode.IssueThrottled, RefusalCode.DatabaseUnavailable, RefusalCode.LoginFailed }.Select(WireName.Of)];

    // Up to the objective (2 s), the alert (5 s), and the longest wait.
    private static readonly InstrumentAdvice<double> ClaimSeconds = new() { HistogramBucketBoundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60] };
    private static readonly InstrumentAdvice<double> IssueSeconds = new() { HistogramBucketBoundaries = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60] };
    private static readonly InstrumentAdvice<int> Claims = new() { HistogramBucketBoundaries = [1, 2, 5, 10, 20, 50, 100, 200, 500] };

    private readonly Counter<long> claims;
    private readonly Counter<long> late;
    private readonly Counter<long> stayed;
    private readonly Counter<long> admissions;
    private readonly Counter<long> unproven;
    private readonly Histogram<double> claimSeconds;
    private readonly Histogram<double> issueSeconds;
    private readonly Counter<long> issues;
    private readonly Counter<long> revocations;
    private readonly Counter<long> renewals;
    private readonly Counter<long> verifications;
    private readonly Histogram<int> batch;
    private readonly Counter<long> duties;
    private readonly Counter<long> caps;
    private readonly Counter<long> unacknowledged;

    public BrokerMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(Name);
        claims = meter.CreateCounter<long>("broker.claims", "{claim}", "Claims answered, by role and outcome.");
        late = meter.CreateCounter<long>("broker.claims.late", "{claim}", "Claims granted after more than 2 s, and after more than 5 s, by role.");
        stayed = meter.CreateCounter<long>("broker.holder.renewals", "{holder}", "Renewals of holders answered, by role and outcome.");
        claimSeconds = meter.CreateHistogram<double>("broker.claim.duration", "s", "Time from a claim's arrival to its answer, waiting included.", advice: ClaimSeconds);
        issueSeconds = meter.CreateHistogram<double>("broker.issue.duration", "s", "Time to issue a lease, login check included.", advice: IssueSeconds);
        issues = meter.CreateCounter<long>("broker.issues", "{lease}", "Leases issued or tried, by database and outcome.");
        revocations = meter.CreateCounter<long>("broker.revocations", "{lease}", "Leases revoked or tried, by database and outcome.");
        renewals = meter.CreateCounter<long>("broker.renewals", "{lease}", "Leases renewed or tried, by database and outcome.");
        verifications = meter.CreateCounter<long>("broker.verifications", "{lease}", "Logins tried, by database and outcome.");
        batch = meter.CreateHistogram<int>("broker.claim.batch.size", "{claim}", "Claims that shared one ledger round trip.", advice: Claims);
        duties = meter.CreateCounter<long>("broker.duties", "{duty}", "Duties done, by kind and outcome.");
        caps = meter.CreateCounter<long>("broker.caps", "{change}", "Changes of what a database lets a lease's user open, by database and direction.");
        admissions = meter.CreateCounter<long>("broker.admissions", "{workload}", "Workloads that an API server asked about, by outcome: fits, warned, refused, failed-open.");
        unproven = meter.CreateCounter<long>("broker.unproven", "{request}", "Requests to either API that were refused because they did not prove who is calling.");
        unacknowledged = Acknowledgements.CounterOf(meter); // with any ledger, so that the exported metrics are the same
    }

    /// <summary>Makes every series that an alert queries begin at 0, for everything in the catalog.</summary>
    public void Begin(CatalogSnapshot catalog)
    {
        unproven.Add(0);
        unacknowledged.Add(0);
        admissions.Add(0, new KeyValuePair<string, object?>("broker.outcome", "failed-open"));
        foreach (var role in catalog.Roles.Keys)
        {
            foreach (var outcome in ClaimOutcomes) claims.Add(0, new("broker.role", role), new("broker.outcome", outcome));
            foreach (var outcome in RenewalOutcomes) stayed.Add(0, new("broker.role", role), new("broker.outcome", outcome));
            foreach (var (_, over) in Late) late.Add(0, new("broker.role", role), new("broker.over", over));
        }

        foreach (var database in catalog.Databases.Keys)
        {
            foreach (var outcome in IssueOutcomes) issues.Add(0, new("broker.database", database), new("broker.outcome", outcome));
            foreach (var outcome in (string[])["revoked", "failed"]) revocations.Add(0, new("broker.database", database), new("broker.outcome", outcome));
            foreach (var outcome in (string[])["renewed", "failed"]) renewals.Add(0, new("broker.database", database), new("broker.outcome", outcome));
            foreach (var outcome in (string[])["verified", "failed", "refused"]) verifications.Add(0, new("broker.database", database), new("broker.outcome", outcome));
        }
    }

    public void Admitted(string outcome) => admissions.Add(1, new KeyValuePair<string, object?>("broker.outcome", outcome));

    public void Unproven() => unproven.Add(1);

    public void Claimed(string role, string outcome, TimeSpan took)
    {
        claims.Add(1, new("broker.role", role), new("broker.outcome", outcome));
        claimSeconds.Record(took.TotalSeconds, new("broker.role", role), new("broker.outcome", outcome));
        if (outcome != Granted) return;
        foreach (var (seconds, over) in Late)
            if (took.TotalSeconds > seconds) late.Add(1, new("broker.role", role), new("broker.over", over));
    }

    public void Stayed(string role, string outcome) => stayed.Add(1, new("broker.role", role), new("broker.outcome", outcome));

    public void ClaimBatch(string database, int size) => batch.Record(size, new KeyValuePair<string, object?>("broker.database", database));

    public void Issued(string database, string outcome, TimeSpan took)
    {
        issues.Add(1, new("broker.database", database), new("broker.outcome", outcome));
        issueSeconds.Record(took.TotalSeconds, new("broker.database", database), new("broker.outcome", outcome));
    }

    public void Revoked(string database, string outcome) => revocations.Add(1, new("broker.database", database), new("broker.outcome", outcome));

    public void Renewed(string database, string outcome) => renewals.Add(1, new("broker.database", database), new("broker.outcome", outcome));

    public void Verified(string database, string outcome) => verifications.Add(1, new("broker.database", database), new("broker.outcome", outcome));

    public void DutyDone(string kind, string outcome) => duties.Add(1, new("broker.duty", kind), new("broker.outcome", outcome));

    public void Capped(string database, string direction) => caps.Add(1, new("broker.database", database), new("broker.direction", direction));
}
