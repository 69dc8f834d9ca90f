using System.Threading.Channels;
using Broker.Core.Catalog;
using Broker.Core.Leases.Holders;
using k8s;
using k8s.Models;

namespace Broker.Api.Authentication.Kubernetes;

/// <summary>
/// Watches the pods of clusters, in the namespaces that roles name, and has the holders of pods that are gone ended: within seconds, also
/// of those that went while nobody watched. Every replica watches; to end a holder twice changes nothing.
/// </summary>
internal sealed class PodWatch(ICatalog catalog, PodDesk desk, TimeProvider time, ILogger<PodWatch> log) : BackgroundService
{
    // Pods mostly go in numbers, and what is said of all of them at once costs the ledger as much as of one.
    private static readonly TimeSpan Together = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan AfterTrouble = TimeSpan.FromSeconds(5);
    private const int WatchSeconds = 300; // then the list is asked for again, which also finds what a watch has missed

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

    private async Task FollowAsync(CatalogSnapshot current, IdentityIssuer issuer, CancellationToken cancellation)
    {
        var gone = Channel.CreateUnbounded<ClusterPod>();
        var waiting = new HashSet<ClusterPod>();
        await Task.WhenAll(PodDesk.NamespacesOf(current, issuer.Name)
            .Select(space => RepeatAsync(issuer, () => WatchAsync(issuer, space, gone.Writer, cancellation), cancellation))
            .Append(RepeatAsync(issuer, () => EndAsync(issuer, gone.Reader, waiting, cancellation), cancellation)));
    }

    private async Task RepeatAsync(IdentityIssuer issuer, Func<Task> work, CancellationToken cancellation)
    {
        while (!cancellation.IsCancellationRequested)
        {
            try
            {
                await work();
                await Task.Delay(Together, time, cancellation); // a server that ends each watch at once is asked no faster
            }
            catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // Whatever it is, holders of pods that are gone end as they do without a watch, and the next list finds them.
                log.PodsNotWatched(issuer.Name, e.Message);
                await Task.Delay(AfterTrouble, time, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task WatchAsync(IdentityIssuer issuer, string space, ChannelWriter<ClusterPod> gone, CancellationToken cancellation)
    {
        var settings = issuer.Pods!;
        using var client = ApiServers.Connect(settings.Address, settings.CaFile, settings.TokenFile);
        var known = await desk.KnownAsync(issuer.Name, space, cancellation);
        var pods = await client.CoreV1.ListNamespacedPodAsync(space, cancellationToken: cancellation);
        await desk.OnlyAsync(issuer.Name, known, pods.Items.Where(pod => !IsOver(pod)).Select(Of), cancellation);
        log.PodsWatched(issuer.Name, space, pods.Items.Count);

        Exception? failure = null;
        var changes = client.CoreV1.WatchListNamespacedPodAsync(
            space, resourceVersion: pods.Metadata?.ResourceVersion, timeoutSeconds: WatchSeconds, onError: e => failure = e, cancellationToken: cancellation);
        await foreach (var (change, pod) in changes)
        {
            if (change == WatchEventType.Deleted || IsOver(pod)) await gone.WriteAsync(Of(pod), cancellation);
        }

        if (failure is not null) throw failure;
    }

    // Those that could not be ended yet, because the ledger was away, wait for the next time.
    private async Task EndAsync(IdentityIssuer issuer, ChannelReader<ClusterPod> gone, HashSet<ClusterPod> waiting, CancellationToken cancellation)
    {
        if (waiting.Count == 0) await gone.WaitToReadAsync(cancellation);
        await Task.Delay(Together, time, cancellation);
        while (gone.TryRead(out var pod)) waiting.Add(pod);
        await desk.GoneAsync(issuer.Name, waiting, cancellation);
        waiting.Clear();
    }

    // Its containers have ended for good; one that is being deleted may still have connections open.
    private static bool IsOver(V1Pod pod) => pod.Status?.Phase is "Succeeded" or "Failed";

    private static ClusterPod Of(V1Pod pod) => new(pod.Namespace(), pod.Spec?.ServiceAccountName ?? "default", pod.Uid());
}
