using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Broker.Core.Leases;

/// <summary>The broker's instruments, meter <c>Broker</c>. Tags are names from the catalog and closed lists, never callers.</summary>
public sealed class BrokerMetrics
{
    /// <summary>Name of the meter and of the activity source.</summary>
    public const string Name = "Broker";

    private readonly Counter<long> claims;
    private readonly Histogram<double> claimSeconds;
    private readonly Histogram<double> issueSeconds;
    private readonly Counter<long> issues;
    private readonly Counter<long> revocations;
    private readonly Counter<long> renewals;
    private readonly Counter<long> verifications;
    private readonly Histogram<int> batch;
    private readonly Counter<long> duties;
    private readonly Counter<long> caps;

    public BrokerMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(Name);
        claims = meter.CreateCounter<long>("broker.claims", "{claim}", "Claims answered, by role and outcome.");
        claimSeconds = meter.CreateHistogram<double>("broker.claim.duration", "s", "Time from a claim's arrival to its answer, waiting included.");
        issueSeconds = meter.CreateHistogram<double>("broker.issue.duration", "s", "Time to issue a lease, login check included.");
        issues = meter.CreateCounter<long>("broker.issues", "{lease}", "Leases issued or tried, by database and outcome.");
        revocations = meter.CreateCounter<long>("broker.revocations", "{lease}", "Leases revoked or tried, by database and outcome.");
        renewals = meter.CreateCounter<long>("broker.renewals", "{lease}", "Leases renewed or tried, by database and outcome.");
        verifications = meter.CreateCounter<long>("broker.verifications", "{lease}", "Logins tried, by database and outcome.");
        batch = meter.CreateHistogram<int>("broker.claim.batch.size", "{claim}", "Claims that shared one ledger round trip.");
        duties = meter.CreateCounter<long>("broker.duties", "{duty}", "Duties done, by kind and outcome.");
        caps = meter.CreateCounter<long>("broker.caps", "{change}", "Changes of what a database lets a lease's user open, by database and direction.");
        Activities = new ActivitySource(Name);
    }

    /// <summary>Spans of issuing and of duties.</summary>
    public ActivitySource Activities { get; }

    public void Claimed(string role, string outcome, TimeSpan took)
    {
        claims.Add(1, new("broker.role", role), new("broker.outcome", outcome));
        claimSeconds.Record(took.TotalSeconds, new("broker.role", role), new("broker.outcome", outcome));
    }

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
