using System.Net;
using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Ledger.Redis;
using LoadTests.Servers.LocalServers;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;
using StackExchange.Redis;
using Xunit;

namespace Broker.Tests.Ledger;

/// <summary>What people write into Broker:Ledger:ConnectionString: each works, or is refused with an explanation that does not show it.</summary>
public sealed class RedisConnectionStringsTests(RedisConnectionStringsTests.Server server) : IClassFixture<RedisConnectionStringsTests.Server>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("redis://redis", "redis:6379", false, null, null, null)]
    [InlineData("rediss://cache.example.com:6380", "cache.example.com:6380", true, null, null, null)]
    [InlineData("rediss://default:hard%2C%40pass%3Aword@cache.example.com", "cache.example.com:6379", true, "default", "hard,@pass:word", null)]
    [InlineData("redis://:secret@10.0.0.7:7000/3", "10.0.0.7:7000", false, null, "secret", 3)]
    [InlineData("redis://broker@redis/", "redis:6379", false, "broker", null, null)]
    [InlineData("rediss://[fd00::7]:6390/0", "[fd00::7]:6390", true, null, null, 0)]
    [InlineData("valkeys://valkey", "valkey:6379", true, null, null, null)]
    [InlineData("redis:6379,user=broker,password=ab://cd", "redis:6379", false, "broker", "ab://cd", null)]
    [InlineData("[fd00::7]:6390,ssl=true,defaultDatabase=2", "[fd00::7]:6390", true, null, null, 2)]
    [InlineData("redis.example.com:6380,ssl=true", "redis.example.com:6380", true, null, null, null)]
    public void An_address_is_read(string text, string server, bool tls, string? user, string? password, int? database)
    {
        var options = RedisOptions.Of(new() { Kind = LedgerKind.Redis, ConnectionString = new(text) }, NullLogger.Instance);
        options.EndPoints.ShouldHaveSingleItem().ShouldBe(server.Contains("fd00", StringComparison.Ordinal) || char.IsDigit(server[0]) ? IPEndPoint.Parse(server) : new DnsEndPoint(server.Split(':')[0], int.Parse(server.Split(':')[1], null)));
        (options.Ssl, options.User, options.Password, options.DefaultDatabase).ShouldBe((tls, user, password, database));
    }

    [Theory]
    [InlineData("rediss://u:hidden@one:6379,rediss://u:hidden@two:6379", "names one server")]
    [InlineData("rediss://u:hidden@one:6379,ssl=true", "no options after a comma")]
    [InlineData("rediss://u:hidden@one?db=hidden", "has a query")]
    [InlineData("redis://u:hidden@one/hidden", "not a database number")]
    [InlineData("https://u:hidden@one", "not redis, rediss")]
    [InlineData("redis://", "not an address of the form")]
    [InlineData("one:6379,hidden=hidden", "option 'hidden' is not known")]
    [InlineData("one:6379,ssl=hidden", "option 'ssl' is not known, or has an invalid value")]
    [InlineData("one:6379,password=secret,hidden-1=hidden", "one of its options is not known")]
    [InlineData("password=hidden", "names no server")]
    [InlineData("one:6379,password=hidden,proxy=twemproxy", "names a proxy (Twemproxy)")]
    [InlineData("one:6379,password=hidden,proxy=envoyproxy", "names a proxy (Envoyproxy)")]
    [InlineData("one:6379,password=hidden,channelPrefix=shop", "use Broker:Ledger:Prefix")]
    public void What_does_not_work_is_refused_in_words(string text, string said)
    {
        var refused = Should.Throw<InvalidDataException>(() => RedisConnection.Open(text)).Message;
        refused.ShouldStartWith("Broker:Ledger:ConnectionString ");
        refused.ShouldContain(said);
        refused.Replace("option 'hidden'", "", StringComparison.Ordinal).ShouldNotContain("hidden");
    }

    [Theory]
    [InlineData("abortConnect=true,allowAdmin=true,name=my broker,tiebreaker=x,configChannel=y,setlib=true,connectRetry=1,keepAlive=5,resolveDns=true,syncTimeout=100000,connectTimeout=100000")]
    [InlineData("protocol=resp3")]
    [InlineData("protocol=resp2,highIntegrity=true,version=6.0")]
    [InlineData("defaultDatabase=3")]
    [InlineData("$INFO=,$ECHO=")]
    public async Task Options_of_the_client_change_nothing_that_the_broker_needs(string options)
    {
        var settings = new LedgerSettings { Kind = LedgerKind.Redis, ConnectionString = new($"{server.Redis.ConnectionString},{options}"), Prefix = "options-" + Guid.NewGuid().ToString("N") };
        var read = RedisOptions.Of(settings, NullLogger.Instance);
        (read.AbortOnConnectFail, read.ConnectTimeout, read.SyncTimeout, read.AsyncTimeout).ShouldBe((false, Math.Min(read.ConnectTimeout, 3000), Math.Min(read.SyncTimeout, 3000), Math.Min(read.AsyncTimeout, 3000)));
        await using var ledger = new RedisLedgerStore(RedisConnection.Open(settings));
        await HearsAsync(ledger);
    }

    [Theory]
    [InlineData("broker.redis.cache.windows.net:6380")]
    [InlineData("broker.westeurope.redis.azure.net:10000")]
    [InlineData("redis-1.c1.eu-west-1-1.ec2.redns.redis-cloud.com:12345")]
    [InlineData("clustercfg.broker.abc123.euw1.cache.amazonaws.com:6379")]
    [InlineData("redis:6379")]
    [InlineData("redis:6379,defaults=enterprise")]
    public void A_password_in_a_file_takes_nothing_from_what_the_client_knows_of_a_service(string text)
    {
        var without = RedisOptions.Of(new() { Kind = LedgerKind.Redis, ConnectionString = new(text) }, NullLogger.Instance);
        var with = RedisOptions.Of(new() { Kind = LedgerKind.Redis, ConnectionString = new(text), PasswordFile = "/nowhere" }, NullLogger.Instance);
        (with.Ssl, with.SslHost, with.DefaultVersion, with.Protocol, with.MaintenanceNotifications, with.ConfigurationChannel)
            .ShouldBe((without.Ssl, without.SslHost, without.DefaultVersion, without.Protocol, without.MaintenanceNotifications, without.ConfigurationChannel));
        if (text.Contains(".windows.net", StringComparison.Ordinal) || text.Contains(".azure.net", StringComparison.Ordinal)) with.Ssl.ShouldBeTrue();
    }

    // Azure, ElastiCache, MemoryDB, Upstash and Dragonfly each leave some of these out.
    [Fact]
    public async Task What_managed_services_leave_out_is_not_missed()
    {
        string[] missing = ["CONFIG", "WAIT", "ROLE", "CLUSTER", "CLIENT", "HELLO", "SLAVEOF", "DEBUG", "MONITOR"];
        await using var redis = await LocalRedis.StartAsync(new() { Options = [.. missing.SelectMany(command => new[] { "--rename-command", command, "" })] }, Cancellation);
        await using var replica = await LocalRedis.StartAsync(cancellation: Cancellation);
        await replica.FollowAsync(redis, Cancellation);
        await using var ledger = new RedisLedgerStore(RedisConnection.Open(redis.ConnectionString));
        await HearsAsync(ledger);
        (await ledger.LookAsync(["orders"], Cancellation)).ShouldBe((null, null));
        (await new TextLedger(new LedgerClient(ledger)).ReplaceSharedAsync("name", null, "text", Cancellation)).ShouldBeTrue();
    }

    [Fact]
    public async Task A_Sentinel_with_its_own_password_is_authenticated_to_with_that_password()
    {
        await using var servers = await LocalRedisSentinel.StartServersAsync(Cancellation);
        foreach (var redis in new[] { servers.Primary, servers.Replica }) await redis.ExecuteAsync("ACL", ["SETUSER", "broker", "on", ">secret", .. RedisAsItIsRunTests.Rights]);
        await servers.StartSentinelAsync("sentinels-own", Cancellation);
        var common = $"{servers.ConnectionString},user=broker,password=secret";
        await using var ledger = new RedisLedgerStore(RedisConnection.Open($"{common},sentinelUser=default,sentinelPassword=sentinels-own"));
        await HearsAsync(ledger);
        await servers.Primary.StopAsync();
        await HearsAsync(ledger);

        await using var refused = new RedisLedgerStore(RedisConnection.Open(common));
        await Should.ThrowAsync<LedgerException>(async () => await new SharedLedger(refused).Budgets.BudgetAsync("orders", [], Cancellation));
    }

    [Fact]
    public async Task A_Cluster_whose_members_are_known_by_name_is_followed_and_has_one_database()
    {
        await using var cluster = await LocalRedisCluster.StartAsync(Cancellation);
        foreach (var port in cluster.Ports)
        {
            await cluster.ExecuteAsync(port, "CONFIG", "SET", "cluster-announce-hostname", "localhost");
            await cluster.ExecuteAsync(port, "CONFIG", "SET", "cluster-preferred-endpoint-type", "hostname");
        }

        await using var ledger = new RedisLedgerStore(RedisConnection.Open($"localhost:{cluster.Ports[0]}"));
        foreach (var database in new[] { "orders", "stock", "users", "bills", "carts" })
            await new SharedLedger(ledger).Budgets.SampleAsync(database, 10, 10, 0, 10, 0, TimeSpan.FromSeconds(1), Cancellation);
        var used = await Task.WhenAll(cluster.Ports.Select(port => cluster.ExecuteAsync(port, "DBSIZE")));
        used.Count(keys => keys != "0").ShouldBeGreaterThan(1);

        await using var other = new RedisLedgerStore(RedisConnection.Open($"{cluster.ConnectionString},defaultDatabase=2"));
        await Should.ThrowAsync<LedgerException>(async () => await new SharedLedger(other).Budgets.BudgetAsync("orders", [], Cancellation));
        (await other.LookAsync(["orders"], Cancellation)).WhyNot.ShouldNotBeNull().ShouldContain("has only database 0");
    }

    // A decision is taken, and what it signals is heard.
    private static async Task HearsAsync(RedisLedgerStore ledger)
    {
        var heard = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var listening = ledger.Listen("orders", _ => heard.TrySetResult());
        await Eventually.HoldsAsync(
            async () =>
            {
                try
                {
                    await new SharedLedger(ledger).Budgets.SampleAsync("orders", 10, 10, 0, 10, 0, TimeSpan.FromSeconds(1), Cancellation);
                }
                catch (LedgerException)
                {
                    // It is on its way there.
                }

                return heard.Task.IsCompleted;
            },
            "a signal is heard", Cancellation);
    }

    /// <summary>One Redis for all strings: each has a prefix of its own.</summary>
    public sealed class Server : IAsyncLifetime
    {
        public LocalRedis Redis { get; private set; } = null!;

        public async ValueTask InitializeAsync() => Redis = await LocalRedis.StartAsync(cancellation: TestContext.Current.CancellationToken);

        public ValueTask DisposeAsync() => Redis.DisposeAsync();
    }
}
