using System.Net;
using System.Threading.Channels;
using Broker.Core.Leases.Holders;
using k8s;
using k8s.Autorest;

namespace Broker.Api.Authentication.Kubernetes;

/// <summary>Lists and then watches the pods of one namespace of a cluster, over and over, and ends the holders of those that are gone.</summary>
/// <param name="pods">What the cluster tells of them.</param>
/// <param name="there">The pods that were there when it was looked at last; kept by whoever watches it after this one.</param>
/// <param name="desk">Ends holders.</param>
/// <param name="time">Times pauses and deadlines.</param>
/// <param name="log">Hears what cannot be watched.</param>
internal sealed class NamespaceWatch(NamespacePods pods, HashSet<ClusterPod> there, PodDesk desk, TimeProvider time, ILogger log)
{
    private const int Expired = 410; // the cluster has forgotten where a watch or a list went on from, as it does every few minutes

    // A server that ends each watch at once is asked no faster.
    private static readonly TimeSpan BetweenLists = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan AfterTrouble = TimeSpan.FromSeconds(5);

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
