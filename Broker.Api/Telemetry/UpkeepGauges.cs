using System.Diagnostics.Metrics;
using Broker.Core.Model;
using Broker.Core.Operators;

namespace Broker.Api.Telemetry;

/// <summary>Leases by state, duties that keep failing or wait too long, and leftovers.</summary>
internal sealed class UpkeepGauges : LedgerGauges
{
    private readonly LeaseDesk leases;
    private readonly DutyDesk duties;
    private readonly LeftoverDesk leftovers;
    private volatile IReadOnlyList<Measurement<int>> byState = [];
    private volatile IReadOnlyList<Measurement<int>> failing = [];
    private volatile IReadOnlyList<Measurement<double>> overdue = [];
    private volatile IReadOnlyList<Measurement<int>> left = [];

    public UpkeepGauges(LeaseDesk leases, DutyDesk duties, LeftoverDesk leftovers, TimeProvider time, IMeterFactory meters)
        : base(meters, time)
    {
        (this.leases, this.duties, this.leftovers) = (leases, duties, leftovers);
        Meter.CreateObservableGauge("broker.leases", () => byState, "{lease}", "Leases, by database and state.");
        Meter.CreateObservableGauge("broker.duties.failing", () => failing, "{duty}", "Duties that failed three times in a row or more, by database and kind.");
        Meter.CreateObservableGauge("broker.duties.overdue", () => overdue, "s", "For how long the duty that has waited longest has been due without a replica taking it, by database; 0 while all are taken in time.");
        Meter.CreateObservableGauge("broker.leftovers", () => left, "{user}", "Database users that look like the broker's and that no lease knows, by database.");
    }

    protected override async Task ReadAsync(CancellationToken cancellation)
    {
        byState = Count(await leases.ListAsync(null, cancellation), lease => lease.Database, "broker.state", lease => WireName.Of(lease.State));
        var all = await duties.ListAsync(cancellation);
        overdue = [.. all.GroupBy(duty => duty.Database ?? "").Select(of => new Measurement<double>(of.Max(duty => duty.Record.Late).TotalSeconds, Tag("broker.database", of.Key)))];
        failing = Count(all.Where(duty => duty.IsFailing), duty => duty.Database ?? "", "broker.duty", duty => duty.Kind);
        left = [.. (await leftovers.ListAsync(null, cancellation)).CountBy(user => user.Database).Select(of => new Measurement<int>(of.Value, Tag("broker.database", of.Key)))];
    }

    protected override void Forget() => (byState, failing, overdue, left) = ([], [], [], []);

    private static Measurement<int>[] Count<T>(IEnumerable<T> things, Func<T, string> database, string tag, Func<T, string> word) =>
        [.. things.CountBy(thing => (Database: database(thing), Word: word(thing)))
            .Select(of => new Measurement<int>(of.Value, Tag("broker.database", of.Key.Database), Tag(tag, of.Key.Word)))];

    private static KeyValuePair<string, object?> Tag(string name, string value) => new(name, value);
}
