using System.Diagnostics.Metrics;
using Broker.Core.Leases;
using Broker.Core.Ledger;

namespace Broker.Api.Telemetry;

/// <summary>
/// Budgets as gauges. They are read from the ledger every few seconds rather than at each scrape, so that scraping never
/// waits for Redis.
/// </summary>
internal sealed class BudgetGauges : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(5);

    private readonly BudgetDesk board;
    private readonly TimeProvider time;
    private volatile IReadOnlyList<Budget> last = [];

    public BudgetGauges(BudgetDesk board, TimeProvider time, IMeterFactory meters)
    {
        (this.board, this.time) = (board, time);
        var meter = meters.Create(BrokerMetrics.Name);
        Gauge("broker.budget.limit", "Connections the server allows.", budget => budget.Record.Limit);
        Gauge("broker.budget.ceiling", "Connections that may be promised when nobody else uses the database.", budget => budget.Record.Ceiling);
        Gauge("broker.budget.foreign", "Connections in use by others.", budget => budget.Record.Foreign);
        Gauge("broker.budget.capacity", "Connections that may be promised now.", budget => budget.Record.Capacity);
        Gauge("broker.budget.granted", "Connections promised to holders.", budget => budget.Record.Granted);
        Gauge("broker.budget.free", "Connections that can be granted now.", budget => budget.Record.Free);
        meter.CreateObservableGauge("broker.budget.waiting", () => Read(budget => budget.Record.Waiting), "{claim}", "Claims in line for connections.");
        meter.CreateObservableGauge("broker.budget.stale", () => Read(budget => budget.IsStale ? 1 : 0), "1", "1 while the connections could not be counted lately.");
        meter.CreateObservableGauge(
            "broker.holders",
            () => last.SelectMany(budget => budget.Record.Roles).Select(use => new Measurement<int>(use.Holders, new KeyValuePair<string, object?>("broker.role", use.Role))),
            "{holder}",
            "Holders, by role.");

        void Gauge(string name, string description, Func<Budget, int> value) =>
            meter.CreateObservableGauge(name, () => Read(value), "{connection}", description);

        IEnumerable<Measurement<int>> Read(Func<Budget, int> value) =>
            last.Select(budget => new Measurement<int>(value(budget), new KeyValuePair<string, object?>("broker.database", budget.Database.Name)));
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every, time);
        do
        {
            try
            {
                last = await board.ReadAllAsync(stoppingToken);
            }
            catch (LedgerException)
            {
                // Its absence is counted where claims fail; the gauges keep their last value.
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false));
    }
}
