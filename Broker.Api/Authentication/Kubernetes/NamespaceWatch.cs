using System.Net;
using System.Threading.Channels;
using Broker.Core.Leases.Holders;
using k8s;
using k8s.Autorest;

namespace Broker.Api.Authentication.Kubernetes;

/// <summary>Lists and then watches the pods of one namespace of a cluster, over and over, and ends the holders of those that are gone.</summary>
/// <param name="pods">The cluster's view of the pods.</param>
/// <param name="there">The pods that existed at the last look; passed on to the next watch of the namespace.</param>
/// <param name="desk">Ends holders.</param>
/// <param name="time">Times pauses and deadlines.</param>
/// <param name="log">Logs what cannot be watched.</param>
internal sealed class NamespaceWatch(NamespacePods pods, HashSet<ClusterPod> there, PodDesk desk, TimeProvider time, ILogger log)
{
    private const int Expired = 410; // the cluster no longer knows the version that a watch or list continues from, which happens every few minutes

    // The shortest pause, for a server that ends each watch at once.
    private static readonly TimeSpan BetweenLists = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan AfterTrouble = TimeSpan.FromSeconds(5);

    private string? trouble;

    /// <summary>Watches until it is cancelled.</summary>
    /// <param name="gone">Called with the pods that are gone.</param>
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
                // The next listing shows which pods went in the meantime.
            }
            catch (Exception e)
            {
                // Whatever happened, holders of pods that are gone end as they do without a watch, and the next listing finds them.
                pause = AfterTrouble;
                var reason = pods.WhyNot(e);
                if (trouble != reason) log.PodsNotWatched(pods.Cluster, pods.Namespace, reason);
                trouble = reason;
            }

            await Task.Delay(pause, time, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task ListAndWatchAsync(ChannelWriter<ClusterPod> gone, CancellationToken cancellation)
    {
        using var client = pods.Connect();
        var known = await desk.KnownAsync(pods.Cluster, pods.Namespace, cancellation);
        var (listed, version) = await pods.ListAsync(client, cancellation);
        await desk.OnlyAsync(pods.Cluster, known, there, listed, cancellation);
        there.Clear();
        there.UnionWith(listed);
        log.PodsWatched(pods.Cluster, pods.Namespace, listed.Count);
        await pods.WatchAsync(client, version, HearAsync, cancellation);
        WorksAgain();

        async ValueTask HearAsync(ClusterPod pod, bool isGone)
        {
            WorksAgain();
            if (isGone) await gone.WriteAsync(pod, cancellation);
            else there.Add(pod);
        }
    }

    private void WorksAgain()
    {
        if (trouble is not null) log.PodsWatchedAgain(pods.Cluster, pods.Namespace);
        trouble = null;
    }
}
