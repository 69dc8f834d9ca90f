using System.Threading.Channels;
using Broker.Core.Catalog;
using Broker.Core.Leases.Holders;

namespace Broker.Api.Authentication.Kubernetes;

/// <summary>
/// Watches the pods of clusters, in the namespaces that roles name, and ends the holders of pods that are gone: within seconds, including
/// pods that went while nobody watched. Every replica watches; ending a holder twice changes nothing.
/// </summary>
internal sealed class PodWatch(ICatalog catalog, PodDesk desk, TimeProvider time, ILogger<PodWatch> log) : BackgroundService
{
    // Pods mostly end in groups, and telling the ledger about a whole group costs as much as about one.
    private static readonly TimeSpan Together = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan AfterTrouble = TimeSpan.FromSeconds(5);

    // Kept across reloads, so that the pods from before a reload are compared with those after it.
    private readonly Dictionary<(string Issuer, string Namespace), HashSet<ClusterPod>> there = [];

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            var changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            void Change(CatalogSnapshot snapshot) => changed.TrySetResult();
            catalog.Swapped += Change;
            using var until = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
            var current = catalog.Current;
            var watches = current.Identity.Issuers.Values.Where(issuer => issuer.Pods is not null).Select(issuer => FollowAsync(current, issuer, until.Token)).ToList();
            await changed.Task.WaitAsync(stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            catalog.Swapped -= Change;
            await until.CancelAsync();
            await Task.WhenAll(watches);
        }
    }

    private Task FollowAsync(CatalogSnapshot current, IdentityIssuer issuer, CancellationToken cancellation)
    {
        var gone = Channel.CreateUnbounded<ClusterPod>();
        var watches = PodDesk.NamespacesOf(current, issuer.Name)
            .Select(space => new NamespaceWatch(new(issuer, space, time), ThereIn(issuer, space), desk, time, log).RunAsync(gone.Writer, cancellation))
            .ToList();
        return Task.WhenAll([.. watches, EndAllAsync(issuer, gone.Reader, cancellation)]);
    }

    private HashSet<ClusterPod> ThereIn(IdentityIssuer issuer, string space) =>
        there.TryGetValue((issuer.Name, space), out var pods) ? pods : there[(issuer.Name, space)] = [];

    // Pods whose holders could not be ended because the ledger was away wait for the next round.
    private async Task EndAllAsync(IdentityIssuer issuer, ChannelReader<ClusterPod> gone, CancellationToken cancellation)
    {
        var waiting = new HashSet<ClusterPod>();
        string? trouble = null;
        while (!cancellation.IsCancellationRequested)
        {
            try
            {
                if (waiting.Count == 0) await gone.WaitToReadAsync(cancellation);
                await Task.Delay(trouble is null ? Together : AfterTrouble, time, cancellation);
                while (gone.TryRead(out var pod)) waiting.Add(pod);
                await desk.GoneAsync(issuer.Name, waiting, cancellation);
                waiting.Clear();
                trouble = null;
            }
            catch (Exception) when (cancellation.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // Whatever happened, their holders still have to be ended.
                if (trouble != e.Message) log.PodsNotEnded(issuer.Name, e.Message);
                trouble = e.Message;
            }
        }
    }
}
