using System.Diagnostics.Metrics;
using Broker.Core.Leases;
using Broker.Core.Ledger;

namespace Broker.Api.Telemetry;

/// <summary>
/// Gauges of what is in the ledger. It is read every few seconds rather than at each scrape, so that scraping never waits for
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
                // What nobody knows is not shown: a last value that stays would say that all is well.
                Forget();
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false));
    }

    protected abstract Task ReadAsync(CancellationToken cancellation);

    /// <summary>The ledger does not answer.</summary>
    protected abstract void Forget();
}
