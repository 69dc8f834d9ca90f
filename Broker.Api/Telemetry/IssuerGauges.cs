using System.Diagnostics.Metrics;
using Broker.Core.Catalog;
using Broker.Core.Issuing;
using Broker.Core.Leases;

namespace Broker.Api.Telemetry;

/// <summary>
/// Whether the issuers' servers answer this replica. They are asked also while nothing is issued: a Vault that is sealed is seen before the next pod needs it.
/// </summary>
internal sealed class IssuerGauges : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(10);

    private readonly Issuers issuers;
    private readonly ICatalog catalog;
    private readonly TimeProvider time;
    private volatile IReadOnlyList<Measurement<int>> up = [];

    public IssuerGauges(Issuers issuers, ICatalog catalog, TimeProvider time, IMeterFactory meters)
    {
        (this.issuers, this.catalog, this.time) = (issuers, catalog, time);
        meters.Create(BrokerMetrics.Name).CreateObservableGauge("broker.issuer.up", () => up, null, "1 while an issuer's Vault answers this replica and is not sealed, 0 otherwise, by issuer.");
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every, time);
        do
        {
            var asked = await Task.WhenAll(catalog.Current.Issuers.Select(async issuer => (Name: issuer.Key, IsUp: await AskAsync(issuer.Value, stoppingToken))));
            up = [.. asked.Where(static issuer => issuer.IsUp is not null).Select(static issuer => new Measurement<int>(issuer.IsUp == true ? 1 : 0, new KeyValuePair<string, object?>("broker.issuer", issuer.Name)))];
        }
        while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false));
    }

    // An issuer that cannot even be made makes no users, and that must not end the broker.
    private async Task<bool?> AskAsync(IssuerDefinition issuer, CancellationToken cancellation)
    {
        try
        {
            return await issuers[issuer].IsUpAsync(cancellation);
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellation.IsCancellationRequested)
        {
            return false;
        }
    }
}
