using System.Net;
using System.Threading.Channels;
using Broker.Api.Authentication.Kubernetes;
using Broker.Core.Catalog;
using Broker.Core.Leases.Holders;
using Broker.Tests.Security;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Authentication.Kubernetes;

/// <summary>A broker beside an API server that knows which pods exist.</summary>
public sealed class PodWatchTests : IAsyncLifetime
{
    private readonly string directory = Directory.CreateTempSubdirectory("broker-pods-").FullName;
    private ServedKubernetes cluster = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => cluster = await ServedKubernetes.StartAsync(directory);

    public async ValueTask DisposeAsync()
    {
        await cluster.DisposeAsync();
        Directory.Delete(directory, recursive: true);
    }

    [Theory]
    [InlineData("DELETED", "Running")]
    [InlineData("MODIFIED", "Succeeded")]
    [InlineData("MODIFIED", "Failed")]
    public async Task A_holder_ends_within_seconds_of_its_pod(string change, string phase)
    {
        await using var world = World();
        var replica = await world.ReplicaAsync();
        foreach (var uid in new[] { "uid-1", "uid-2" }) cluster.Pods[uid] = ServedKubernetes.Pod(uid);
        var holder = (string)(await world.ClaimAsync(replica, world.Pod("uid-1"))).Body["holder"]!["id"]!;
        var stays = (string)(await world.ClaimAsync(replica, world.Pod("uid-2"))).Body["holder"]!["id"]!;
        await Eventually.HoldsAsync(() => Task.FromResult(cluster.Watchers == 1), "the broker watches", Cancel);

        cluster.Tell("MODIFIED", ServedKubernetes.Pod("uid-1"));
        cluster.Tell("MODIFIED", ServedKubernetes.Pod("uid-2", "Pending"));
        cluster.Tell(change, ServedKubernetes.Pod("uid-1", phase));
        await Eventually.HoldsAsync(() => Task.FromResult(Ended(world).Contains(holder)), "the holder of the pod that is gone ends", Cancel);
        Ended(world).ShouldNotContain(stays);
        (await world.SendAsync(replica, HttpMethod.Post, $"/api/v1/holders/{holder}/renew", world.Pod("uid-1"))).Code.ShouldBe("holder-unknown");
        (await world.SendAsync(replica, HttpMethod.Post, $"/api/v1/holders/{stays}/renew", world.Pod("uid-2"))).Status.ShouldBe(200);
    }

    [Fact]
    public async Task Pods_that_went_while_the_cluster_could_not_be_asked_are_found_when_it_can()
    {
        cluster.Broken = HttpStatusCode.ServiceUnavailable;
        await using var world = World();
        var replica = await world.ReplicaAsync();
        cluster.Pods["uid-2"] = ServedKubernetes.Pod("uid-2");
        cluster.Pods["uid-3"] = ServedKubernetes.Pod("uid-3", "Succeeded");
        var went = (string)(await world.ClaimAsync(replica, world.Pod("uid-1"))).Body["holder"]!["id"]!;
        var stays = (string)(await world.ClaimAsync(replica, world.Pod("uid-2"))).Body["holder"]!["id"]!;
        var done = (string)(await world.ClaimAsync(replica, world.Pod("uid-3"))).Body["holder"]!["id"]!;

        // A list ends only holders that the broker knew before it asked for it: the one that succeeds must begin after the claims.
        var refusals = cluster.Refusals;
        await Eventually.HoldsAsync(() => Task.FromResult(cluster.Refusals > refusals), "the broker asks in vain once more", Cancel);
        cluster.Broken = null;
        await Eventually.HoldsAsync(() => Task.FromResult(Ended(world) is var ended && ended.Contains(went) && ended.Contains(done)), "the missing are found", Cancel);
        Ended(world).ShouldNotContain(stays);
    }

    [Fact]
    public async Task A_pod_that_is_being_deleted_is_evicted_or_whose_node_is_lost_ends_when_its_containers_have()
    {
        await using var world = World();
        var replica = await world.ReplicaAsync();
        foreach (var uid in new[] { "uid-1", "uid-2", "uid-3", "uid-4" }) cluster.Pods[uid] = ServedKubernetes.Pod(uid);
        var terminating = await HolderAsync(world, replica, "uid-1");
        var lost = await HolderAsync(world, replica, "uid-2");
        var evicted = await HolderAsync(world, replica, "uid-3");
        var former = await HolderAsync(world, replica, "uid-4");
        await WatchedAsync();

        var going = ServedKubernetes.Pod("uid-1");
        going["metadata"]!["deletionTimestamp"] = "2030-01-01T00:00:00Z";
        going["metadata"]!["deletionGracePeriodSeconds"] = 30;
        cluster.Tell("MODIFIED", going);
        cluster.Tell("MODIFIED", ServedKubernetes.Pod("uid-2", "Unknown"));
        // What the kubelet writes of a static pod has a UID of its own, and what a bookmark has is no pod.
        cluster.Tell("DELETED", ServedKubernetes.Pod("mirror-1"));
        cluster.Say("""{"type":"BOOKMARK","object":{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"9","creationTimestamp":null},"spec":{"containers":null},"status":{}}}""");
        var victim = ServedKubernetes.Pod("uid-3", "Failed");
        victim["status"]!["reason"] = "Evicted";
        cluster.Tell("MODIFIED", victim);
        // A StatefulSet's next pod has the former one's name.
        var next = ServedKubernetes.Pod("uid-5");
        next["metadata"]!["name"] = "orders-uid-4";
        cluster.Tell("DELETED", ServedKubernetes.Pod("uid-4"));
        cluster.Pods["uid-5"] = next;
        cluster.Tell("ADDED", next);
        await EndsAsync(world, evicted, former);
        var later = await HolderAsync(world, replica, "uid-5");
        Ended(world).ShouldBe([evicted, former], ignoreOrder: true);
        foreach (var (uid, holder) in new[] { ("uid-1", terminating), ("uid-2", lost), ("uid-5", later) })
            (await world.SendAsync(replica, HttpMethod.Post, $"/api/v1/holders/{holder}/renew", world.Pod(uid))).Status.ShouldBe(200, uid);

        // A process of the pod that is gone may still ask, and its token has not expired.
        var refused = await world.ClaimAsync(replica, world.Pod("uid-3"));
        (refused.Status, refused.Code).ShouldBe((401, "unauthenticated"));
        ((string)refused.Body["detail"]!).ShouldContain("pod of this token is gone");
    }

    [Fact]
    public async Task A_watch_whose_place_is_forgotten_or_that_ends_goes_on_from_the_next_list_and_nothing_is_missed()
    {
        // Callers of another issuer may have the role too, so that the ledger does not tell whose a holder is.
        await using var world = World(("Roles:orders-api:Allow:1:Issuer", "people"), ("Roles:orders-api:Allow:1:Claims:groups", "shop"));
        foreach (var uid in new[] { "uid-1", "uid-2", "uid-3" }) cluster.Pods[uid] = ServedKubernetes.Pod(uid);
        var replica = await world.ReplicaAsync();
        var first = await HolderAsync(world, replica, "uid-1");
        var second = await HolderAsync(world, replica, "uid-2");
        var stays = await HolderAsync(world, replica, "uid-3");
        await WatchedAsync();

        cluster.Pods.TryRemove("uid-1", out _);
        cluster.EndWatches(ServedKubernetes.Expired());
        await EndsAsync(world, first);

        await WatchedAsync();
        cluster.Pods.TryRemove("uid-2", out _);
        cluster.EndWatches();
        await EndsAsync(world, second);
        Ended(world).ShouldNotContain(stays);
        Complaints(world).ShouldBeEmpty("a server does both every few minutes");
    }

    [Fact]
    public async Task A_watch_that_hears_nothing_though_its_connection_is_up_ends_by_its_own_deadline_and_begins_anew()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        foreach (var uid in new[] { "uid-1", "uid-2" }) cluster.Pods[uid] = ServedKubernetes.Pod(uid);
        var went = await HolderAsync(world, replica, "uid-1");
        var stays = await HolderAsync(world, replica, "uid-2");
        var issuer = new IdentityIssuer { Name = "kubernetes", Audience = "broker", Pods = new() { Address = cluster.Address, CaFile = cluster.CaFile, TokenFile = cluster.TokenFile } };
        var time = new FakeTimeProvider();
        var watch = new NamespaceWatch(new(issuer, "shop", time), [], world.Service<PodDesk>(), time, NullLogger.Instance);
        using var until = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var watching = watch.RunAsync(Channel.CreateUnbounded<ClusterPod>().Writer, until.Token);
        await WatchedAsync();
        cluster.Lists.ShouldBe(1);

        // The pod goes, and whoever stands in between lets nothing of it through.
        cluster.Pods.TryRemove("uid-1", out _);
        time.Advance(TimeSpan.FromSeconds(329));
        cluster.Watchers.ShouldBe(1);
        time.Advance(TimeSpan.FromSeconds(1));
        await Eventually.HoldsAsync(() => Task.FromResult(cluster.Watchers == 0), "the watch ends", Cancel);
        await Eventually.StepsAsync(
            () =>
            {
                if (cluster.Lists == 1) time.Advance(TimeSpan.FromSeconds(1)); // it pauses a second
                return Task.FromResult(cluster.Lists == 2 && cluster.Watchers == 1);
            },
            "another begins", Cancel);
        await EndsAsync(world, went);
        Ended(world).ShouldNotContain(stays);

        await until.CancelAsync();
        await watching;
    }

    [Fact]
    public async Task A_server_that_answers_in_pages_or_with_something_else_makes_nobody_gone_who_is_there()
    {
        cluster.MostInAPage = 1;
        foreach (var uid in new[] { "uid-1", "uid-2", "uid-3" }) cluster.Pods[uid] = ServedKubernetes.Pod(uid);
        // The API server leaves the default account's name out.
        cluster.Pods["uid-3"]["spec"]!["serviceAccountName"] = "";
        await using var world = World();
        var replica = await world.ReplicaAsync();
        string[] there = [await HolderAsync(world, replica, "uid-1"), await HolderAsync(world, replica, "uid-2")];
        var missing = await HolderAsync(world, replica, "uid-4");
        await WatchedAsync();
        cluster.EndWatches();
        await EndsAsync(world, missing);

        await WatchedAsync();
        cluster.OtherList = """{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success"}""";
        cluster.EndWatches();
        await Eventually.HoldsAsync(() => Task.FromResult(Complaints(world).Count > 0), "it is said that this is no list", Cancel);
        Complaints(world)[0].ShouldContain("its answer is not a list of pods");
        cluster.OtherList = null;
        await WatchedAsync();
        Ended(world).ShouldBe([missing]);
        foreach (var holder in there) Ended(world).ShouldNotContain(holder);
    }

    [Fact]
    public async Task A_namespace_without_rights_is_named_once_and_the_others_are_watched()
    {
        cluster.Forbidden["stock"] = true;
        // One role names its namespace by the account's whole name, and by another entry of the same cluster.
        await using var world = World(
            ("Identity:Issuers:kubernetes:Cluster", "c1"), ("Identity:Issuers:again:Cluster", "c1"), ("Identity:Issuers:again:Issuer", "https://again.example"),
            ("Identity:Issuers:again:TokenReview:Address", cluster.Address.OriginalString),
            ("Identity:Issuers:again:TokenReview:CaFile", cluster.CaFile), ("Identity:Issuers:again:TokenReview:TokenFile", cluster.TokenFile), ("Identity:Issuers:again:Audience", "broker"),
            ("Roles:stock:Database", "orders"), ("Roles:stock:Issuer", "here"), ("Roles:stock:CreationStatements:0", "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'"),
            ("Roles:stock:Allow:0:Issuer", "again"), ("Roles:stock:Allow:0:Claims:sub", "system:serviceaccount:stock:*"));
        cluster.Pods["uid-1"] = ServedKubernetes.Pod("uid-1");
        var replica = await world.ReplicaAsync();
        var holder = await HolderAsync(world, replica, "uid-1");
        await Eventually.HoldsAsync(() => Task.FromResult(Complaints(world).Count == 1), "it says which namespace", Cancel);
        Complaints(world)[0].ShouldContain("namespace stock of cluster kubernetes cannot be watched: the broker's account there may not list and watch pods in namespace stock; give it a Role and a RoleBinding there");
        await WatchedAsync();
        cluster.Tell("DELETED", ServedKubernetes.Pod("uid-1"));
        await EndsAsync(world, holder);

        var lists = cluster.Lists;
        cluster.Forbidden.Clear();
        await Eventually.HoldsAsync(() => Task.FromResult(cluster.Watchers == 2 && cluster.Lists > lists), "both are watched", Cancel);
        cluster.EndWatches();
        await Eventually.HoldsAsync(() => Task.FromResult(world.Heard.All.Any(heard => heard.Text.Contains("namespace stock of cluster kubernetes are watched again", StringComparison.Ordinal))), "it says that it works again", Cancel);
        Complaints(world).Count.ShouldBe(1);
    }

    [Theory]
    [InlineData(null, null)]
    [InlineData("list", "the broker's account there may not list and watch pods in namespace shop")]
    [InlineData("watch", "the broker's account there may not list and watch pods in namespace shop")]
    [InlineData("token", "it does not accept the broker's own token")]
    [InlineData("away", "Connection refused")]
    public async Task What_keeps_it_from_watching_is_found_by_trying(string? fault, string? said)
    {
        var address = cluster.Address;
        if (fault is "list" or "watch") cluster.ForbiddenVerbs[fault] = true;
        if (fault == "token") cluster.Broken = HttpStatusCode.Unauthorized;
        if (fault == "away") address = new("https://127.0.0.1:1");
        var issuer = new IdentityIssuer { Name = "kubernetes", Audience = "broker", Pods = new() { Address = address, CaFile = cluster.CaFile, TokenFile = cluster.TokenFile } };
        var pods = new NamespacePods(issuer, "shop", TimeProvider.System);
        if (said is null) await pods.TryAsync(Cancel);
        else (await Should.ThrowAsync<InvalidOperationException>(() => pods.TryAsync(Cancel))).Message.ShouldContain(said);
    }

    private static async Task<string> HolderAsync(BrokerWorld world, HttpClient replica, string uid) =>
        (string)(await world.ClaimAsync(replica, world.Pod(uid))).Body["holder"]!["id"]!;

    private Task WatchedAsync() => Eventually.HoldsAsync(() => Task.FromResult(cluster.Watchers >= 1), "the broker watches", Cancel);

    private static Task EndsAsync(BrokerWorld world, params string[] holders) =>
        Eventually.HoldsAsync(() => Task.FromResult(Ended(world).IsSupersetOf(holders)), "the holders of pods that are gone end", Cancel);

    private static List<string> Complaints(BrokerWorld world) =>
        [.. world.Heard.All.Where(heard => heard.Where == "log" && heard.Text.Contains("cannot be watched", StringComparison.Ordinal)).Select(heard => heard.Text)];

    private static HashSet<string> Ended(BrokerWorld world) => [.. world.Audited("end").Select(line => (string)line["holderId"]!)];

    private BrokerWorld World(params (string, string?)[] changes) => new([
        ("Identity:Issuers:kubernetes:Pods:Address", cluster.Address.OriginalString), ("Identity:Issuers:kubernetes:Pods:CaFile", cluster.CaFile),
        ("Identity:Issuers:kubernetes:Pods:TokenFile", cluster.TokenFile), .. changes]);
}
