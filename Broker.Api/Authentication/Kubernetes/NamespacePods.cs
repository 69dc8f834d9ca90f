using Broker.Core.Catalog;
using Broker.Core.Leases.Holders;
using k8s;
using k8s.Models;

namespace Broker.Api.Authentication.Kubernetes;

/// <summary>What a cluster's API server says about the pods of one namespace.</summary>
/// <param name="issuer">The cluster.</param>
/// <param name="space">The namespace.</param>
/// <param name="time">Times deadlines.</param>
internal sealed class NamespacePods(IdentityIssuer issuer, string space, TimeProvider time)
{
    private const int PageSize = 500;
    private const int WatchSeconds = 300; // then the pods are listed again, which also finds what a watch has missed

    private static readonly TimeSpan ListedWithin = TimeSpan.FromSeconds(30);

    // The server ends a watch in time; if it does not, the connection is dead and nobody has closed it.
    private static readonly TimeSpan WatchedFor = TimeSpan.FromSeconds(WatchSeconds + 30);

    /// <summary>The name of the cluster's issuer.</summary>
    public string Cluster => issuer.Name;

    /// <summary>The namespace.</summary>
    public string Namespace => space;

    /// <summary>Tests whether its pods can be listed and watched.</summary>
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
                // The watch was accepted, and nothing happened in the meantime.
            }

            if (failure is not null && !IsEnd(failure)) throw failure;
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellation.IsCancellationRequested)
        {
            throw new InvalidOperationException(WhyNot(e));
        }
    }

    /// <summary>A client of the cluster; each client reads the token's file again.</summary>
    public k8s.Kubernetes Connect() => ApiServers.Connect(issuer.Pods!.Address, issuer.Pods.CaFile, issuer.Pods.TokenFile);

    /// <summary>Says what keeps pods from being listed or watched.</summary>
    public string WhyNot(Exception e) =>
        ApiServers.WhyNot(e, $"the broker's account there may not list and watch pods in namespace {space}; give it a Role and a RoleBinding there");

    /// <summary>The pods whose containers have not ended, and the version from which they can be watched.</summary>
    /// <exception cref="InvalidDataException">The answer is not a list of pods.</exception>
    public async Task<(List<ClusterPod> Pods, string? Version)> ListAsync(k8s.Kubernetes client, CancellationToken cancellation)
    {
        using var deadline = new CancellationTokenSource(ListedWithin, time);
        using var until = CancellationTokenSource.CreateLinkedTokenSource(cancellation, deadline.Token);
        var pods = new List<ClusterPod>();
        string? version, next = null;
        do
        {
            var page = await client.CoreV1.ListNamespacedPodAsync(space, continueParameter: next, limit: PageSize, cancellationToken: until.Token);
            // Any other answer says nothing about pods, least of all that there are none.
            if (page is not { Kind: "PodList", Metadata: { } metadata }) throw new InvalidDataException("its answer is not a list of pods");
            pods.AddRange((page.Items ?? []).Where(static pod => !IsOver(pod)).Select(Of));
            (next, version) = (metadata.ContinueProperty, metadata.ResourceVersion);
        }
        while (!string.IsNullOrEmpty(next));
        return (pods, version);
    }

    /// <summary>Watches them until the server ends it, some minutes later.</summary>
    /// <param name="client">A client of the cluster.</param>
    /// <param name="version">The resource version to start from.</param>
    /// <param name="hear">Called with each pod that changes, and whether it is gone: deleted, or ended for good.</param>
    /// <param name="cancellation">Ends it.</param>
    public async Task WatchAsync(k8s.Kubernetes client, string? version, Func<ClusterPod, bool, ValueTask> hear, CancellationToken cancellation)
    {
        using var deadline = new CancellationTokenSource(WatchedFor, time);
        using var until = CancellationTokenSource.CreateLinkedTokenSource(cancellation, deadline.Token);
        Exception? failure = null;
        void Fail(Exception e)
        {
            // The client would otherwise keep reading.
            failure ??= e;
            until.Cancel();
        }

        var changes = client.CoreV1.WatchListNamespacedPodAsync(space, resourceVersion: version, timeoutSeconds: WatchSeconds, onError: Fail, cancellationToken: until.Token);
        try
        {
            await foreach (var (change, pod) in changes)
            {
                // No others are asked for.
                if (change is not (WatchEventType.Added or WatchEventType.Modified or WatchEventType.Deleted)) continue;
                await hear(Of(pod), change == WatchEventType.Deleted || IsOver(pod));
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            // The watch failed, or its time was up.
        }
        catch (Exception e) when (IsEnd(e))
        {
            // If the server is away, the next listing reports it.
        }

        if (failure is not null && !IsEnd(failure)) throw failure;
    }

    // Servers end watches all the time, but the client treats the end of a stream as an error; if nothing changed, it looks as if the request had failed.
    private static bool IsEnd(Exception e) => e.GetBaseException() is IOException;

    // The pod's containers have ended for good; a pod that is being deleted, or whose node does not answer, may still have connections open.
    private static bool IsOver(V1Pod pod) => pod.Status?.Phase is "Succeeded" or "Failed";

    private static ClusterPod Of(V1Pod pod) => new(pod.Namespace(), pod.Spec?.ServiceAccountName is { Length: > 0 } account ? account : "default", pod.Uid());
}
