using System.Diagnostics.Metrics;
using Broker.Api.Health;
using Broker.Core.Audit;
using Broker.Core.Audit.Unproven;
using Broker.Core.Catalog;
using Broker.Core.Leases;

namespace Broker.Api.Telemetry;

/// <summary>The metrics that exist from the first scrape on: counters at 0, whether this replica takes requests, and whether the audit's sinks take its records.</summary>
internal sealed class InitialMetrics : IHostedService
{
    private readonly BrokerMetrics metrics;
    private readonly ICatalog catalog;

    public InitialMetrics(BrokerMetrics metrics, ICatalog catalog, Readiness readiness, IAudit audit, IEnumerable<UnprovenAudit> unproven, IMeterFactory meters)
    {
        (this.metrics, this.catalog) = (metrics, catalog);
        var meter = meters.Create(BrokerMetrics.Name);
        meter.CreateObservableGauge("broker.ready", () => readiness.Missing is null ? 1 : 0, null, "1 while this replica takes requests.");
        IAudit[] audits = [audit, .. unproven.Select(static apart => apart.Audit)];
        meter.CreateObservableGauge(
            "broker.audit.sink.up",
            () => audits.SelectMany(static one => one.Sinks).Select(static sink => new Measurement<int>(sink.IsUp ? 1 : 0, new KeyValuePair<string, object?>("broker.sink", sink.Name))),
            null,
            "1 while a place where this replica writes its audit accepts records, 0 otherwise, by sink.");
    }

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        metrics.Begin(catalog.Current);
        catalog.Swapped += metrics.Begin;
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken)
    {
        catalog.Swapped -= metrics.Begin;
        return Task.CompletedTask;
    }
}
