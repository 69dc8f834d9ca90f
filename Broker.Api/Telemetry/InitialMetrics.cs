using System.Diagnostics.Metrics;
using Broker.Api.Health;
using Broker.Core.Catalog;
using Broker.Core.Leases;

namespace Broker.Api.Telemetry;

/// <summary>The metrics that exist from the first scrape on: counters at 0, and whether this replica takes requests.</summary>
internal sealed class InitialMetrics : IHostedService
{
    private readonly BrokerMetrics metrics;
    private readonly ICatalog catalog;

    public InitialMetrics(BrokerMetrics metrics, ICatalog catalog, Readiness readiness, IMeterFactory meters)
    {
        (this.metrics, this.catalog) = (metrics, catalog);
        meters.Create(BrokerMetrics.Name).CreateObservableGauge("broker.ready", () => readiness.Missing is null ? 1 : 0, null, "1 while this replica takes requests.");
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
