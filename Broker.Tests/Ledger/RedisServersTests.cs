using Broker.Core.Ledger;
using Broker.Core.Ledger.Redis;
using LoadTests.Servers.LocalServers;
using Shouldly;
using Xunit;

namespace Broker.Tests.Ledger;

/// <summary>A Redis that evicts keys, is too old, or is only a copy is distinguished from one that can hold a ledger.</summary>
public sealed class RedisServersTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_Redis_that_drops_keys_when_its_memory_is_full_is_refused_and_one_that_drops_none_of_the_brokers_is_not()
    {
        await using var redis = await LocalRedis.StartAsync(cancellation: Cancellation);
        await using var store = new RedisLedgerStore(RedisConnection.Open(redis.ConnectionString));
        foreach (var (memory, policy, isRefused) in new[]
        {
            ("0", "noeviction", false), ("0", "allkeys-lru", false), // all the memory there is: nothing is ever dropped
            ("100mb", "noeviction", false), ("100mb", "volatile-lru", false), ("100mb", "volatile-ttl", false), ("100mb", "volatile-random", false), ("100mb", "volatile-lfu", false),
            ("100mb", "allkeys-lru", true), ("100mb", "allkeys-lfu", true), ("100mb", "allkeys-random", true), ("100mb", "noeviction", false),
        })
        {
            await redis.ExecuteAsync("CONFIG", "SET", "maxmemory", memory, "maxmemory-policy", policy);
            (await LooksAsync(store)).ShouldBe(
                (isRefused ? $"Redis {redis.ConnectionString} evicts keys when its memory is full (maxmemory-policy {policy}): set it to noeviction (docs/redis.md)" : null, null), $"{memory} {policy}");
        }
    }

    [Fact]
    public async Task No_key_of_the_brokers_has_an_expiry()
    {
        // Else volatile policies would drop some.
        await using var redis = await LocalRedis.StartAsync(cancellation: Cancellation);
        await using var store = new RedisLedgerStore(RedisConnection.Open(redis.ConnectionString));
        await new SharedLedger(store).Budgets.SampleAsync("orders", 10, 10, 0, 10, 0, TimeSpan.FromSeconds(1), Cancellation);
        (await redis.ExecuteAsync("INFO", "keyspace")).ShouldContain("expires=0");
        RedisAsItIsRunTests.Acl.Where(word => word.Contains("expire", StringComparison.Ordinal) || word is "+set" or "+setex" or "+@all" or "+getex").ShouldBeEmpty();
    }

    [Fact]
    public async Task A_replica_that_would_drop_keys_once_it_takes_over_is_told_of_and_then_refused()
    {
        await using var redis = await LocalRedis.StartAsync(cancellation: Cancellation);
        await using var replica = await LocalRedis.StartAsync(cancellation: Cancellation);
        await replica.FollowAsync(redis, Cancellation);
        await replica.ExecuteAsync("CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru");
        await using var store = new RedisLedgerStore(RedisConnection.Open($"{redis.ConnectionString},{replica.ConnectionString}"));
        var fault = $"Redis {replica.ConnectionString} evicts keys when its memory is full (maxmemory-policy allkeys-lru): set it to noeviction (docs/redis.md)";
        (await LooksAsync(store)).ShouldBe((null, $"the replica of {fault}, before it becomes the primary"));

        // Who comes after the takeover: the client itself looks for a new primary once a minute.
        await redis.StopAsync();
        await replica.PromoteAsync();
        await using var later = new RedisLedgerStore(RedisConnection.Open(replica.ConnectionString));
        await Eventually.HoldsAsync(async () => (await LooksAsync(later, "orders")).WhyNot == fault, "the new primary is refused", Cancellation);
    }

    [Fact]
    public async Task A_Redis_that_does_not_say_what_it_drops_is_told_of_and_not_refused()
    {
        await using var redis = await LocalRedis.StartAsync(cancellation: Cancellation);
        await redis.ExecuteAsync("ACL", ["SETUSER", "broker", "on", ">secret", .. RedisAsItIsRunTests.Rights, "-info"]);
        await using var store = new RedisLedgerStore(RedisConnection.Open($"{redis.ConnectionString},user=broker,password=secret"));
        (await LooksAsync(store)).ShouldBe(
            (null, $"whether Redis {redis.ConnectionString} evicts keys when its memory is full is unknown, because INFO does not say: its maxmemory-policy must be noeviction (docs/redis.md)"));
    }

    [Fact]
    public async Task Another_database_of_Redis_needs_the_right_to_select_it()
    {
        await using var redis = await LocalRedis.StartAsync(cancellation: Cancellation);
        await redis.ExecuteAsync("ACL", ["SETUSER", "broker", "on", ">secret", .. RedisAsItIsRunTests.Rights]);
        await using var store = new RedisLedgerStore(RedisConnection.Open($"{redis.ConnectionString},user=broker,password=secret,defaultDatabase=3"));
        var said = "";
        await Eventually.HoldsAsync(
            async () =>
            {
                said = (await Should.ThrowAsync<LedgerException>(async () => await new SharedLedger(store).Budgets.BudgetAsync("orders", [], Cancellation))).Message;
                return said.EndsWith("its user 'broker' in Redis may not use SELECT on database 3: run ACL SETUSER broker +select on each of its servers (docs/redis.md)", StringComparison.Ordinal);
            },
            "it says what the user lacks", Cancellation, () => said);
        (await redis.ExecuteAsync("DBSIZE")).ShouldBe("0");
    }

    [Fact]
    public async Task A_replica_behind_the_address_is_named()
    {
        await using var redis = await LocalRedis.StartAsync(cancellation: Cancellation);
        await using var replica = await LocalRedis.StartAsync(cancellation: Cancellation);
        await replica.FollowAsync(redis, Cancellation);
        await using var store = new RedisLedgerStore(RedisConnection.Open(replica.ConnectionString));
        (await Should.ThrowAsync<ForbiddenDecisionException>(() => LooksAsync(store))).Message.ShouldBe(
            $"Redis {replica.ConnectionString} is a replica, which takes no writes: the connection string must lead to its primary (docs/redis.md)");
    }

    [Fact]
    public void What_keeps_the_client_from_connecting_is_named_where_its_words_say_it() =>
        Refused.WhileConnecting("No connection is active; SimpleError: NOPERM this user has no permissions to run the 'echo' command, mc: 1/1/0").ShouldNotBeNull().RuleIn("broker").ShouldBe("+echo");

    // Without these the broker does all that it promises; docs/redis.md says what each is for.
    [Fact]
    public async Task Rights_that_it_can_do_without_are_not_asked_for()
    {
        await using var redis = await LocalRedis.StartAsync(cancellation: Cancellation);
        string[] spared = ["auth", "hello", "client|setname", "client|id", "cluster|nodes", "cluster|slots", "script|load", "role", "wait", "lrange", "rpush", "unsubscribe"];
        await redis.ExecuteAsync("ACL", ["SETUSER", "broker", "on", ">secret", .. RedisAsItIsRunTests.Rights, .. spared.Select(right => "-" + right)]);
        await using var store = new RedisLedgerStore(RedisConnection.Open($"{redis.ConnectionString},user=broker,password=secret"));
        (await LooksAsync(store, "orders")).ShouldBe((null, null));
        await new SharedLedger(store).Budgets.SampleAsync("orders", 10, 10, 0, 10, 0, TimeSpan.FromSeconds(1), Cancellation);
    }

    [Theory]
    [InlineData("5.0.14", true)]
    [InlineData("2.8.24", true)]
    [InlineData("6.0.0", false)]
    [InlineData("7.2.4", false)]
    [InlineData("unstable", false)]
    public void A_Redis_that_is_too_old_is_refused(string version, bool isRefused) =>
        RedisServers.VersionFault(new Dictionary<string, string> { ["redis_version"] = version }).ShouldBe(isRefused ? $"has version {version}: the broker needs 6 or newer" : null);

    [Theory]
    [InlineData("allkeys-lru", null, null)]
    [InlineData("allkeys-lru", "many", null)]
    [InlineData("allkeys-lrm", "1", "allkeys-lrm")]
    [InlineData("volatile-lrm", null, "")]
    [InlineData("noeviction", null, "")]
    [InlineData(null, "1", null)]
    public void What_INFO_leaves_out_is_unknown(string? policy, string? memory, string? evicts)
    {
        var info = new Dictionary<string, string>();
        if (policy is not null) info["maxmemory_policy"] = policy;
        if (memory is not null) info["maxmemory"] = memory;
        RedisServers.MayEvict(info).ShouldBe(evicts);
    }

    // While the client still looks for its way, there is no answer at all.
    private static async Task<(string? WhyNot, string? Note)> LooksAsync(RedisLedgerStore store, params string[] databases)
    {
        (string?, string?)? found = null;
        await Eventually.HoldsAsync(
            async () =>
            {
                try
                {
                    found = await store.LookAsync(databases, Cancellation);
                }
                catch (LedgerException e) when (e is not ForbiddenDecisionException)
                {
                    // Not yet.
                }

                return found is not null;
            },
            "Redis answers", Cancellation);
        return found!.Value;
    }
}
