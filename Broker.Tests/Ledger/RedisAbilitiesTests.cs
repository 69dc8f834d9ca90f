using System.Text.RegularExpressions;
using Broker.Core.Catalog;
using Broker.Core.Leases.Recovering;
using Broker.Core.Ledger;
using Broker.Core.Ledger.Redis;
using Broker.Tests.Deployment;
using Broker.Tests.Leases;
using LoadTests.Servers.LocalServers;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using StackExchange.Redis;
using Xunit;

namespace Broker.Tests.Ledger;

/// <summary>A broker whose user in Redis may do only a part of what decisions do carries none of them out in part.</summary>
public sealed partial class RedisAbilitiesTests(RedisAbilitiesTests.Server server) : IClassFixture<RedisAbilitiesTests.Server>
{
    private const string Prefix = "broker";

    // What connects, finds its way, or is done without where it is missing (docs/redis.md).
    private static readonly string[] OfTheClient = ["auth", "hello", "ping", "echo", "client|setname", "client|id", "info", "cluster|nodes", "cluster|slots", "role", "wait", "script|load", "lrange", "rpush", "unsubscribe"];

    private readonly FakeTimeProvider time = new();
    private readonly string user = "u" + Guid.NewGuid().ToString("N")[..8];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static TheoryData<string> Needed => [.. RedisAsItIsRunTests.Acl.Where(word => word.StartsWith('+')).Select(word => word[1..]).Except(OfTheClient)];

    [Fact]
    public void Each_command_of_each_script_is_tried()
    {
        var scripts = Directory.EnumerateFiles(Repository.PathOf("Broker.Core/Ledger/Scripts"), "*.lua").Select(File.ReadAllText).ToArray();
        var called = scripts.SelectMany(script => Called().Matches(script)).Select(match => match.Groups[1].Value).ToHashSet();
        called.Count.ShouldBeGreaterThan(10);
        var tried = Tried().Matches(File.ReadAllText(Repository.PathOf("Broker.Core/Ledger/Redis/abilities.lua"))).Select(match => match.Groups[1].Value).ToArray();
        tried.ShouldBe([.. called, "SELECT", "PING", "ECHO"], ignoreOrder: true); // the last three are the client's

        // Nobody calls Redis in another way.
        foreach (var script in scripts) OtherCalls().Matches(script).Select(match => match.Value).ShouldBeEmpty();
    }

    [Fact]
    public void Each_place_for_what_belongs_to_no_database_is_tried()
    {
        var named = Directory.EnumerateFiles(Repository.PathOf("Broker.Core"), "*.cs", SearchOption.AllDirectories).Where(file => !file.Contains("/obj/", StringComparison.Ordinal))
            .SelectMany(file => Named().Matches(File.ReadAllText(file))).Select(match => match.Groups[1].Value).ToHashSet();
        named.ShouldContain("~client-tokens");
        named.Except(["~broker", "~abilities", "~history-"]).ShouldBe(LedgerKeys.OfNoDatabase, ignoreOrder: true);
    }

    [Theory]
    [MemberData(nameof(Needed))]
    public async Task A_user_without_one_command_makes_the_broker_unfit_in_words_and_no_decision_is_carried_out_in_part(string command)
    {
        await AllowAsync("-" + command);
        var (store, fitness) = Open();
        await using (store)
        {
            if (command == "subscribe") await Eventually.HoldsAsync(async () => (await store.LookAsync([], Cancellation)).WhyNot is not null, "the connection for signals is there", Cancellation);
            var whyNot = (await fitness.WhyNotAsync(Cancellation)).ShouldNotBeNull();
            whyNot.ShouldContain($"its user '{user}' in Redis may not use {command.ToUpperInvariant()} on ");
            whyNot.ShouldEndWith($"run ACL SETUSER {user} +{command} on each of its servers (docs/redis.md)");
            if (command is "publish" or "subscribe") return; // signals are not what is decided
            var database = Guid.NewGuid().ToString("N")[..8];
            var refused = await Should.ThrowAsync<ForbiddenDecisionException>(async () => await SampleAsync(store, database));
            refused.Message.ShouldContain($"+{command} ");
            (await server.Redis.ExecuteAsync("EXISTS", [.. LedgerKeys.Of(database)])).ShouldBe("0");

            await server.Redis.ExecuteAsync("ACL", "SETUSER", user, "+" + command);
            time.Advance(TimeSpan.FromSeconds(2));
            (await FitnessOf(store).WhyNotAsync(Cancellation)).ShouldBeNull();
            await SampleAsync(store, database);
        }
    }

    [Theory]
    [InlineData("lrange")]
    [InlineData("rpush")]
    public async Task Sealing_keys_that_could_not_be_read_or_made_anew_make_the_broker_unfit_in_words_and_nothing_is_pushed(string command)
    {
        await AllowAsync("-" + command);
        var connection = RedisConnection.Open($"{server.Redis.ConnectionString},user={user},password=secret");
        await using var store = new RedisLedgerStore(connection, time: time);
        (await FitnessOf(store).WhyNotAsync(Cancellation)).ShouldBeNull("they are elsewhere");
        _ = new RedisKeyRing(connection, new byte[32], Microsoft.Extensions.Logging.Abstractions.NullLogger<RedisKeyRing>.Instance, TimeProvider.System);

        (await FitnessOf(store).WhyNotAsync(Cancellation)).ShouldNotBeNull().ShouldBe(
            $"its user '{user}' in Redis may not use {command.ToUpperInvariant()} on {Prefix}:sealing-keys: run ACL SETUSER {user} +{command} on each of its servers (docs/redis.md)");

        await server.Redis.ExecuteAsync("ACL", "SETUSER", user, "+" + command);
        time.Advance(TimeSpan.FromSeconds(2));
        (await FitnessOf(store).WhyNotAsync(Cancellation)).ShouldBeNull();
        (await server.Redis.ExecuteAsync("EXISTS", Prefix + ":sealing-keys")).ShouldBe("0");
    }

    [Fact]
    public async Task One_databases_keys_or_channel_are_missed_by_name()
    {
        foreach (var (lacks, says, rule) in new[]
        {
            ("keys", "EVAL on key 'broker:{orders}:budget'", "~broker:*"),
            ("channel", "PUBLISH on channel 'broker:{orders}:signals'", "&broker:*"),
            ("writes", "EVAL on key 'broker:{orders}:budget'", "~broker:*"),
        })
        {
            await AllowAsync("resetkeys", "~broker:{~*", lacks == "keys" ? "~none" : lacks == "writes" ? "%R~broker:{orders}:*" : "~broker:{orders}:*", "resetchannels", "&broker:{~*", lacks == "channel" ? "&none" : "&broker:{orders}:*");
            var (store, fitness) = Open();
            await using (store)
            {
                var whyNot = (await fitness.WhyNotAsync(Cancellation)).ShouldNotBeNull();
                whyNot.ShouldContain(says);
                whyNot.ShouldContain($"run ACL SETUSER {user} {rule} on each of its servers");
            }
        }
    }

    [Fact]
    public async Task What_is_refused_while_it_runs_is_looked_at_again_at_once()
    {
        await AllowAsync();
        var (store, fitness) = Open();
        await using (store)
        {
            await using var fit = new FitLedgerStore(store, fitness);
            var ledger = new SharedLedger(fit);
            await ledger.Leases.ForgetAsync("orders", "none", Cancellation);
            await server.Redis.ExecuteAsync("ACL", "SETUSER", user, "-zrem");
            await Should.ThrowAsync<ForbiddenDecisionException>(async () => await ledger.Leases.ForgetAsync("orders", "none", Cancellation));
            (await fitness.WhyNotAsync(Cancellation)).ShouldNotBeNull().ShouldContain("+zrem");
            (await Should.ThrowAsync<LedgerException>(async () => await ledger.Budgets.BudgetAsync("orders", [], Cancellation))).Message.ShouldContain("This replica is not ready: its user");

            await server.Redis.ExecuteAsync("ACL", "SETUSER", user, "+zrem");
            time.Advance(TimeSpan.FromSeconds(2));
            await Eventually.HoldsAsync(async () => await fitness.WhyNotAsync(Cancellation) is null, "it is fit again", Cancellation);
            await ledger.Leases.ForgetAsync("orders", "none", Cancellation);
        }
    }

    [Fact]
    public async Task A_server_that_answers_after_another_is_tried_before_it_refuses_anything()
    {
        await AllowAsync();
        var (store, _) = Open();
        await using (store)
        {
            (await store.LookAsync(["orders"], Cancellation)).ShouldBe((null, null));
            await server.Redis.ExecuteAsync("ACL", "SETUSER", user, "-zrem");
            await server.Redis.ExecuteAsync("CLIENT", "KILL", "USER", user);
            await Eventually.HoldsAsync(
                async () =>
                {
                    try
                    {
                        return (await store.LookAsync(["orders"], Cancellation)).WhyNot?.Contains("+zrem", StringComparison.Ordinal) == true;
                    }
                    catch (LedgerException)
                    {
                        return false; // not connected yet
                    }
                },
                "it is found by trying", Cancellation);
        }
    }

    [Fact]
    public async Task Trying_changes_nothing()
    {
        await using var redis = await LocalRedis.StartAsync(cancellation: Cancellation);
        await using var store = new RedisLedgerStore(RedisConnection.Open(redis.ConnectionString));
        await SampleAsync(store, "orders");
        await new TextLedger(new LedgerClient(store)).ReplaceSharedAsync("name", null, "text", Cancellation);
        var before = await WrittenAsync();
        await using (var another = new RedisLedgerStore(RedisConnection.Open(redis.ConnectionString)))
            (await another.LookAsync(["orders", "empty", SharedLedger.Issuers], Cancellation)).ShouldBe((null, null));
        (await WrittenAsync()).ShouldBe(before);

        async Task<string> WrittenAsync() => (await redis.ExecuteAsync("INFO", "persistence")).Split('\n').Single(line => line.StartsWith("rdb_changes_since_last_save:", StringComparison.Ordinal)) + await redis.ExecuteAsync("DBSIZE");
    }

    [Fact]
    public async Task On_a_Cluster_each_node_has_users_of_its_own()
    {
        await using var cluster = await LocalRedisCluster.StartAsync(Cancellation);
        var databases = new Dictionary<int, string>();
        for (var i = 0; databases.Count < 3; i++) databases.TryAdd(await cluster.MasterOfAsync($"broker:{{db{i}}}:budget"), $"db{i}");
        var (lacking, there) = (cluster.Ports[1], cluster.Ports[0]);
        foreach (var port in cluster.Ports)
            await cluster.ExecuteAsync(port, "ACL", ["SETUSER", user, "on", ">secret", .. RedisAsItIsRunTests.Rights, .. port == lacking ? ["-zrem"] : Array.Empty<object>()]);
        await using var store = new RedisLedgerStore(RedisConnection.Open($"{cluster.ConnectionString},user={user},password=secret"), time: time);
        await SampleAsync(store, databases[there]);
        (await Should.ThrowAsync<ForbiddenDecisionException>(async () => await SampleAsync(store, databases[lacking]))).Message.ShouldContain("ZREM on broker:{" + databases[lacking] + "}");
        (await store.LookAsync([.. databases.Values], Cancellation)).WhyNot.ShouldNotBeNull().ShouldContain("+zrem on each of its servers");

        await cluster.ExecuteAsync(lacking, "ACL", "SETUSER", user, "+zrem");
        time.Advance(TimeSpan.FromSeconds(2));
        (await store.LookAsync([.. databases.Values], Cancellation)).ShouldBe((null, null));

        // One node that drops keys is enough.
        await cluster.ExecuteAsync(lacking, "CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru");
        (await store.LookAsync([], Cancellation)).WhyNot.ShouldBe($"Redis 127.0.0.1:{lacking} evicts keys when its memory is full (maxmemory-policy allkeys-lru): set it to noeviction (docs/redis.md)");
    }

    private Task AllowAsync(params string[] besides) => server.Redis.ExecuteAsync("ACL", ["SETUSER", user, "reset", "on", ">secret", .. RedisAsItIsRunTests.Rights, .. besides]);

    private (RedisLedgerStore Store, Fitness Fitness) Open()
    {
        var store = new RedisLedgerStore(RedisConnection.Open(new LedgerSettings { Kind = LedgerKind.Redis, ConnectionString = new($"{server.Redis.ConnectionString},user={user},password=secret"), Prefix = Prefix }), time: time);
        return (store, FitnessOf(store));
    }

    private Fitness FitnessOf(ILedgerStore store)
    {
        var catalog = new Authentication.FixedCatalog();
        catalog.Swap(catalog.Current with { Databases = new Dictionary<string, Database> { ["orders"] = World.Orders } });
        return new(store, new LedgerSeal(server.Seals), catalog, TimeProvider.System);
    }

    private static async ValueTask SampleAsync(ILedgerStore store, string database) =>
        await new SharedLedger(store).Budgets.SampleAsync(database, 10, 10, 0, 10, 0, TimeSpan.FromSeconds(1), Cancellation);

    [GeneratedRegex("call\\('([A-Z]+)'")]
    private static partial Regex Called();

    [GeneratedRegex("try\\(.*?, '([A-Z]+)'")]
    private static partial Regex Tried();

    [GeneratedRegex("(?<!local call = )redis\\.\\w+|\\bcall\\((?!')|pcall\\(call, '(?!PUBLISH)")]
    private static partial Regex OtherCalls();

    [GeneratedRegex("\"(~[a-z-]+)\"")]
    private static partial Regex Named();

    public sealed class Server : IAsyncLifetime
    {
        internal LocalRedis Redis { get; private set; } = null!;

        internal EphemeralDataProtectionProvider Seals { get; } = new();

        public async ValueTask InitializeAsync() => Redis = await LocalRedis.StartAsync(cancellation: TestContext.Current.CancellationToken);

        public ValueTask DisposeAsync() => Redis.DisposeAsync();
    }
}
