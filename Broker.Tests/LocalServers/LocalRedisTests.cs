using LoadTests.Servers.LocalServers;
using Shouldly;
using StackExchange.Redis;
using Xunit;

namespace Broker.Tests.LocalServers;

public sealed class LocalRedisTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Two_at_once_are_apart_and_leave_nothing()
    {
        LocalRedis first, second;
        await using (first = await LocalRedis.StartAsync(cancellation: Cancellation))
        await using (second = await LocalRedis.StartAsync(new() { KeepsData = false }, Cancellation))
        {
            await WithAsync(first, async redis => (await redis.StringSetAsync("key", "value")).ShouldBeTrue());
            await WithAsync(second, async redis => (await redis.StringGetAsync("key")).IsNull.ShouldBeTrue());
        }

        await NothingLeft.OfAsync(first.Port, first.Directory, Cancellation);
        await NothingLeft.OfAsync(second.Port, second.Directory, Cancellation);
    }

    [Fact]
    public async Task Keeps_its_data_when_stopped_and_started_and_loses_them_when_restarted_empty()
    {
        await using var redis = await LocalRedis.StartAsync(cancellation: Cancellation);
        await WithAsync(redis, server => server.StringSetAsync("key", "value"));

        await redis.StopAsync();
        await redis.StartAgainAsync(Cancellation);
        await WithAsync(redis, async server => (await server.StringGetAsync("key")).ToString().ShouldBe("value"));

        await redis.RestartEmptyAsync(Cancellation);
        await WithAsync(redis, async server => (await server.StringGetAsync("key")).IsNull.ShouldBeTrue());
    }

    [Fact]
    public async Task Held_answers_nothing_until_it_goes_on()
    {
        await using var redis = await LocalRedis.StartAsync(cancellation: Cancellation);
        await using var connection = await ConnectionMultiplexer.ConnectAsync(redis.ConnectionString + LocalRedis.Patience);
        var server = connection.GetDatabase();
        await server.PingAsync();

        await redis.PauseAsync();
        var ping = server.PingAsync();
        await Task.WhenAny(ping, Task.Delay(TimeSpan.FromMilliseconds(300), TimeProvider.System, Cancellation));
        ping.IsCompleted.ShouldBeFalse();

        await redis.ResumeAsync();
        await ping.WaitAsync(TimeSpan.FromMinutes(5), TimeProvider.System, Cancellation);
    }

    [Fact]
    public async Task A_cluster_has_three_masters_that_serve_every_slot()
    {
        var cluster = await LocalRedisCluster.StartAsync(Cancellation);
        await using (cluster)
        {
            await using var connection = await ConnectionMultiplexer.ConnectAsync(cluster.ConnectionString + LocalRedis.Patience);
            var redis = connection.GetDatabase();
            var hosts = new HashSet<string?>();
            for (var key = 0; key < 50; key++)
            {
                (await redis.StringSetAsync($"key:{key}", key)).ShouldBeTrue();
                hosts.Add((await redis.IdentifyEndpointAsync($"key:{key}"))?.ToString());
            }

            hosts.Count.ShouldBe(3);
            var both = await redis.ScriptEvaluateAsync(
                "redis.call('SET', KEYS[1], 1) return redis.call('INCR', KEYS[2])", ["{orders}:a", "{orders}:b"]);
            ((int)both).ShouldBe(1);
        }

        foreach (var port in cluster.Ports)
            await NothingLeft.OfAsync(port, null, Cancellation);
    }

    [Fact]
    public async Task A_node_of_a_cluster_comes_back_with_its_data_and_its_replica_takes_its_place_without_what_it_never_heard()
    {
        await using var cluster = await LocalRedisCluster.StartAsync(withReplicas: true, Cancellation);
        var master = await cluster.MasterOfAsync("key");
        await cluster.ExecuteAsync(master, "SET", "key", "heard");
        await cluster.StopAsync(master);
        await cluster.StartAgainAsync(master, Cancellation);
        (await cluster.ExecuteAsync(master, "GET", "key")).ShouldBe("heard");
        var replica = cluster.ReplicaPortOf(master);
        await Eventually.HoldsAsync(
            async () => (await cluster.ExecuteAsync(replica, "INFO", "replication")).Contains("master_link_status:up", StringComparison.Ordinal), "the replica hears its master again", Cancellation);

        await cluster.CutOffAsync(master, Cancellation);
        await cluster.ExecuteAsync(master, "SET", "key", "not heard");
        await cluster.KillAsync(master);
        (await cluster.TakeOverAsync(master, Cancellation)).ShouldBe(replica);

        (await cluster.ExecuteAsync(replica, "GET", "key")).ShouldBe("heard");
        (await cluster.MasterOfAsync("key")).ShouldBe(replica);
    }

    private static async Task WithAsync(LocalRedis redis, Func<IDatabase, Task> use)
    {
        await using var connection = await ConnectionMultiplexer.ConnectAsync(redis.ConnectionString + LocalRedis.Patience);
        await use(connection.GetDatabase());
    }
}
