using System.Net;
using System.Threading.Channels;
using Broker.Core.Catalog;
using Broker.Core.Leases.Holders;
using k8s;
using k8s.Autorest;
using k8s.Models;

namespace Broker.Api.Authentication.Kubernetes;

/// <summary>The pods of one namespace of a cluster, listed and then watched, over and over.</summary>
/// <param name="issuer">The cluster.</param>
/// <param name="space">The namespace.</param>
/// <param name="there">The pods that were there when it was looked at last; kept by whoever watches it after this one.</param>
/// <param name="desk">Ends holders.</param>
/// <param name="time">Times pauses and deadlines.</param>
/// <param name="log">Hears what cannot be watched.</param>
internal sealed class NamespaceWatch(IdentityIssuer issuer, string space, HashSet<ClusterPod> there, PodDesk desk, TimeProvider time, ILogger log)
{
    private const int PageSize = 500;
    private const int WatchSeconds = 300; // then the list is asked for again, which also finds what a watch has missed
    private const int Expired = 410; // the cluster has forgotten where a watch or a list went on from, as it does every few minutes

    // A server that ends each watch at once is asked no faster.
    private static readonly TimeSpan BetweenLists = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan AfterTrouble = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ListedWithin = TimeSpan.FromSeconds(30);

    // The server ends a watch; one that does not is behind a connection that nobody closed.
    private static readonly TimeSpan WatchedFor = TimeSpan.FromSeconds(WatchSeconds + 30);

    private string? trouble;

    /// <summary>Watches until it is cancelled.</summary>
    /// <param name="gone">Gets the pods that are gone.</param>
    /// <param name="cancellation">Ends it.</param>
    public async Task RunAsync(ChannelWriter<ClusterPod> gone, CancellationToken cancellation)
    {
        while (!cancellation.IsCancellationRequested)
        {
            var pause = BetweenLists;
            try
            {
                await ListAndWatchAsync(gone, cancellation);
            }
            catch (Exception) when (cancellation.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is KubernetesException { Status.Code: Expired } or HttpOperationException { Response.StatusCode: HttpStatusCode.Gone })
            {
                // The next list tells what went meanwhile.
            }
            catch (Exception e)
            {
                // Whatever it is, holders of pods that are gone end as they do without a watch, and the next list finds them.
                pause = AfterTrouble;
                var reason = WhyNot(e);
                if (trouble != reason) log.PodsNotWatched(issuer.Name, space, reason);
                trouble = reason;
            }

            await Task.Delay(pause, time, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Tries whether its pods can be listed and watched.</summary>
    /// <exception cref="InvalidOperationException">They cannot be, in words.</exception>
    public async Task TryAsync(CancellationToken cancellation)
    {
        try
        {
            using var client = Connect();
            var (_, version) = await ListAsync(client, cancellation);
            using var deadline = new CancellationTokenSource(ListedWithin, time);
            using var until = CancellationTokenSource.CreateLinkedTokenSource(cancellation, deadline.Token);
            Exception? failure = null;
            try
            {
                await foreach (var _ in client.CoreV1.WatchListNamespacedPodAsync(space, resourceVersion: version, timeoutSeconds: 1, onError: e => failure = e, cancellationToken: until.Token)) break;
            }
            catch (Exception e) when (IsEnd(e))
            {
                // It was let in, and nothing happened meanwhile.
            }

            if (failure is not null && !IsEnd(failure)) throw failure;
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellation.IsCancellationRequested)
        {
            throw new InvalidOperationException(WhyNot(e));
        }
    }

    private k8s.Kubernetes Connect() => ApiServers.Connect(issuer.Pods!.Address, issuer.Pods.CaFile, issuer.Pods.TokenFile);

    private string WhyNot(Exception e) =>
        ApiServers.WhyNot(e, $"the broker's account there may not list and watch pods in namespace {space}; give it a Role and a RoleBinding there");

    private async Task ListAndWatchAsync(ChannelWriter<ClusterPod> gone, CancellationToken cancellation)
    {
        using var client = Connect();
        var known = await desk.KnownAsync(issuer.Name, space, cancellation);
        var (pods, version) = await ListAsync(client, cancellation);
        await desk.OnlyAsync(issuer.Name, known, there, pods, cancellation);
        there.Clear();
        there.UnionWith(pods);
        log.PodsWatched(issuer.Name, space, pods.Count);
        await WatchAsync(client, version, gone, cancellation);
        WorksAgain();
    }

    private async Task<(List<ClusterPod> Pods, string? Version)> ListAsync(k8s.Kubernetes client, CancellationToken cancellation)
    {
        using var deadline = new CancellationTokenSource(ListedWithin, time);
        using var until = CancellationTokenSource.CreateLinkedTokenSource(cancellation, deadline.Token);
        var pods = new List<ClusterPod>();
        string? version, next = null;
        do
        {
            var page = await client.CoreV1.ListNamespacedPodAsync(space, continueParameter: next, limit: PageSize, cancellationToken: until.Token);
            // Whatever else answers says nothing of pods, least of all that there are none.
            if (page is not { Kind: "PodList", Metadata: { } metadata }) throw new InvalidDataException("its answer is not a list of pods");
            pods.AddRange((page.Items ?? []).Where(static pod => !IsOver(pod)).Select(Of));
            (next, version) = (metadata.ContinueProperty, metadata.ResourceVersion);
        }
        while (!string.IsNullOrEmpty(next));
        return (pods, version);
    }

    private async Task WatchAsync(k8s.Kubernetes client, string? version, ChannelWriter<ClusterPod> gone, CancellationToken cancellation)
    {
        using var deadline = new CancellationTokenSource(WatchedFor, time);
        using var until = CancellationTokenSource.CreateLinkedTokenSource(cancellation, deadline.Token);
        Exception? failure = null;
        void Fail(Exception e)
        {
            // The client would go on reading.
            failure ??= e;
            until.Cancel();
        }

        var changes = client.CoreV1.WatchListNamespacedPodAsync(space, resourceVersion: version, timeoutSeconds: WatchSeconds, onError: Fail, cancellationToken: until.Token);
        try
        {
            await foreach (var (change, pod) in changes)
            {
                WorksAgain();
                if (change == WatchEventType.Deleted || IsOver(pod)) await gone.WriteAsync(Of(pod), cancellation);
                else if (change is WatchEventType.Added or WatchEventType.Modified) there.Add(Of(pod));
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            // It failed, or its time was over.
        }
        catch (Exception e) when (IsEnd(e))
        {
            // If the server is away, the next list says it.
        }

        if (failure is not null && !IsEnd(failure)) throw failure;
    }

    private void WorksAgain()
    {
        if (trouble is not null) log.PodsWatchedAgain(issuer.Name, space);
        trouble = null;
    }

    // Servers end watches all the time, and the client takes the end of a stream for a mistake: of one without any change as if the request had failed.
    private static bool IsEnd(Exception e) => e.GetBaseException() is IOException;

    // Its containers have ended for good; one that is being deleted, or whose node does not answer, may still have connections open.
    private static bool IsOver(V1Pod pod) => pod.Status?.Phase is "Succeeded" or "Failed";

    private static ClusterPod Of(V1Pod pod) => new(pod.Namespace(), pod.Spec?.ServiceAccountName is { Length: > 0 } account ? account : "default", pod.Uid());
}
