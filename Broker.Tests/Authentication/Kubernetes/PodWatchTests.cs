using System.Net;
using System.Text.Json.Nodes;
using Broker.Tests.Security;
using Shouldly;
using Xunit;

namespace Broker.Tests.Authentication.Kubernetes;

/// <summary>A broker beside an API server that knows which pods there are.</summary>
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
        cluster.Pods["uid-1"] = ServedKubernetes.Pod("uid-1");
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

        cluster.Broken = null;
        await Eventually.HoldsAsync(() => Task.FromResult(Ended(world) is var ended && ended.Contains(went) && ended.Contains(done)), "the missing are found", Cancel);
        Ended(world).ShouldNotContain(stays);
    }

    private static HashSet<string> Ended(BrokerWorld world) => [.. world.Audited("end").Select(line => (string)line["holderId"]!)];

    private BrokerWorld World() => new(
        ("Identity:Issuers:kubernetes:Pods:Address", cluster.Address.OriginalString), ("Identity:Issuers:kubernetes:Pods:CaFile", cluster.CaFile),
        ("Identity:Issuers:kubernetes:Pods:TokenFile", cluster.TokenFile));
}
