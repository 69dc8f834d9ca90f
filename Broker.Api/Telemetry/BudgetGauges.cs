using System.Diagnostics.Metrics;
using Broker.Core.Budgets;
using Broker.Core.Operators;

namespace Broker.Api.Telemetry;

/// <summary>Budgets as gauges. Those that are 0 or 1 have no unit: with the unit <c>1</c> an OTLP receiver takes them for shares, and Prometheus has them as <c>…_ratio</c>.</summary>
internal sealed class BudgetGauges : LedgerGauges
{
    private readonly BudgetDesk board;
    private volatile IReadOnlyList<Budget> last = [];
    private volatile bool ledgerAnswers;

    public BudgetGauges(BudgetDesk board, TimeProvider time, IMeterFactory meters)
        : base(meters, time)
    {
        this.board = board;
        Meter.CreateObservableGauge("broker.ledger.up", () => ledgerAnswers ? 1 : 0, null, "1 while the ledger answers this replica, 0 while it does not; the broker's other gauges are then absent.");
        Gauge("broker.budget.limit", "Connections the server allows.", budget => budget.Record.Limit);
        Gauge("broker.budget.ceiling", "Connections that may be promised when nobody else uses the database.", budget => budget.Record.Ceiling);
        Gauge("broker.budget.foreign", "Connections in use by others, or promised on other databases of the server.", budget => budget.Record.Foreign);
        Gauge("broker.budget.elsewhere", "Connections promised on other databases of the server.", budget => budget.Record.ElsewhereOnServer);
        Gauge("broker.budget.kept", "Free connections that are kept for the roles and teams to which they are guaranteed.", budget => budget.Record.Kept);
        Gauge("broker.budget.kept_elsewhere", "Connections of the server that are kept for what is guaranteed on its other databases, and not free here.", budget => budget.Record.KeptElsewhere);
        Gauge("broker.budget.capacity", "Connections that may be promised now.", budget => budget.Record.Capacity);
        Gauge("broker.budget.granted", "Connections promised to holders.", budget => budget.Record.Granted);
        Gauge("broker.budget.open", "Connections that holders' users had open at the last count, including those beyond their grants.", budget => budget.Record.Open);
        Gauge("broker.budget.free", "Connections that can be granted now.", budget => budget.Record.Free);
        Meter.CreateObservableGauge("broker.budget.waiting", () => Read(budget => budget.Record.Waiting), "{claim}", "Claims in line for connections.");
        Meter.CreateObservableGauge("broker.budget.stale", () => Read(budget => budget.IsStale ? 1 : 0), null, "1 while the connections could not be counted recently.");
        Meter.CreateObservableGauge("broker.budget.resting", () => Read(budget => budget.Record.Resting ? 1 : 0), null, "1 while nobody holds or waits for a connection and the database is not queried.");
        Meter.CreateObservableGauge(
            "broker.holders",
            () => last.SelectMany(budget => budget.Record.Roles).Select(use => new Measurement<int>(use.Holders, new KeyValuePair<string, object?>("broker.role", use.Role))),
            "{holder}",
            "Holders, by role.");

        Meter.CreateObservableGauge(
            "broker.role.paused",
            () => last.SelectMany(budget => budget.Roles, (budget, role) => new Measurement<int>(
                budget.Pauses.Any(pause => pause.Role == role.Name) ? 1 : 0, new KeyValuePair<string, object?>("broker.role", role.Name))),
            null,
            "1 while an operator's order pauses or drains the role.");
        Meter.CreateObservableGauge(
            "broker.budget.over",
            () => last.SelectMany(budget => budget.Record.Roles, (budget, use) => new Measurement<int>(
                use.Over, new KeyValuePair<string, object?>("broker.database", budget.Database.Name), new KeyValuePair<string, object?>("broker.role", use.Role))),
            "{connection}",
            "Connections that a role's users have open beyond what its holders were granted.");

        Pooler("broker.pooler.up", null, "1 while all processes of a database's pooler answer and keep to their size, 0 otherwise.", static pooler => pooler.Error is null ? 1 : 0);
        Pooler("broker.pooler.pool", "{connection}", "Connections to the server that a database's pooler is to keep to.", static pooler => pooler.Pool);
        Pooler("broker.pooler.open", "{connection}", "Connections to the server that a database's pooler had open at the last count.", static pooler => pooler.Open);
        Pooler("broker.pooler.clients", "{connection}", "Clients of a database's pooler at the last count.", static pooler => pooler.Clients);
        Pooler("broker.pooler.waiting", "{connection}", "Clients of a database's pooler that waited for a connection to the server at the last count.", static pooler => pooler.Waiting);

        void Pooler(string name, string? unit, string description, Func<PoolerState, int> value) =>
            Meter.CreateObservableGauge(
                name,
                () => last.Where(budget => budget.Pooler is not null)
                    .Select(budget => new Measurement<int>(value(budget.Pooler!), new KeyValuePair<string, object?>("broker.database", budget.Database.Name))),
                unit,
                description);

        void Gauge(string name, string description, Func<Budget, int> value) =>
            Meter.CreateObservableGauge(name, () => Read(value), "{connection}", description);

        IEnumerable<Measurement<int>> Read(Func<Budget, int> value) =>
            last.Select(budget => new Measurement<int>(value(budget), new KeyValuePair<string, object?>("broker.database", budget.Database.Name)));
    }

    protected override async Task ReadAsync(CancellationToken cancellation)
    {
        last = await board.ReadAllAsync(cancellation);
        ledgerAnswers = true;
    }

    protected override void Forget() => (last, ledgerAnswers) = ([], false);
}
