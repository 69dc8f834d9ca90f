using System.Diagnostics.Metrics;
using Broker.Core.Leases;
using Broker.Core.Ledger;

namespace Broker.Api.Telemetry;

/// <summary>
/// Gauges of the ledger's content. The ledger is read every few seconds rather than at each scrape, so that scraping never waits for
/// Redis.
/// </summary>
internal abstract class LedgerGauges(IMeterFactory meters, TimeProvider time) : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(5);

    protected Meter Meter { get; } = meters.Create(BrokerMetrics.Name);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every, time);
        do
        {
            try
            {
                await ReadAsync(stoppingToken);
            }
            catch (LedgerException)
            {
                // Unknown values are not reported: a stale last value would suggest that all is well.
                Forget();
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false));
    }

    protected abstract Task ReadAsync(CancellationToken cancellation);

    /// <summary>Notes that the ledger does not answer.</summary>
    protected abstract void Forget();
}
