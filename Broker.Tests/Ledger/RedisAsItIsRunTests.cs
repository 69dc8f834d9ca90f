using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Ledger.Redis;
using Broker.Tests.Contracts;
using Broker.Tests.Deployment;
using LoadTests.Servers.LocalServers;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using StackExchange.Redis;
using Xunit;

namespace Broker.Tests.Ledger;

/// <summary>What docs/redis.md promises, on real servers.</summary>
public sealed partial class RedisAsItIsRunTests : IDisposable
{
    private readonly RedisFiles files = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>The access list's line, as it stands in docs/redis.md.</summary>
    internal static string[] Acl => [.. AclLine().Match(File.ReadAllText(Repository.PathOf("docs/redis.md"))).Groups[1].Value.Split(' ')];

    public void Dispose() => files.Dispose();

    [Fact]
    public async Task A_password_that_changes_in_its_file_is_read_at_the_next_connect()
    {
        await using var redis = await LocalRedis.StartAsync(cancellation: Cancellation);
        await redis.ExecuteAsync("ACL", ["SETUSER", "broker", "on", ">first", .. Rights]);
        var file = files.Write("password", "first\n");
        await using var ledger = new RedisLedgerStore(RedisConnection.Open(new LedgerSettings
        {
            Kind = LedgerKind.Redis,
            ConnectionString = new($"{redis.ConnectionString},user=broker"),
            PasswordFile = file,
        }));
        await ShouldWorkAsync(ledger);

        await redis.ExecuteAsync("ACL", "SETUSER", "broker", ">second");
        await File.WriteAllTextAsync(file, "second\n", Cancellation);
        await redis.ExecuteAsync("ACL", "SETUSER", "broker", "<first");
        await redis.ExecuteAsync("CLIENT", "KILL", "USER", "broker");
        await ShouldWorkAsync(ledger);
    }

    // As the kubelet renews a mounted Secret: ..data leads to another directory, and for a moment nothing may be there.
    [Fact]
    public async Task A_password_in_a_mounted_Secret_is_followed_over_its_links_and_while_it_is_missing()
    {
        await using var redis = await LocalRedis.StartAsync(cancellation: Cancellation);
        await redis.ExecuteAsync("ACL", ["SETUSER", "broker", "on", ">first", .. Rights]);
        foreach (var (version, password) in new[] { ("..1", "first"), ("..2", " second\r\n") })
        {
            files.Write(Path.Combine(version, "password"), password);
        }

        var data = Path.Combine(files.Path, "..data");
        Directory.CreateSymbolicLink(data, "..1");
        var file = Path.Combine(files.Path, "password");
        File.CreateSymbolicLink(file, Path.Combine("..data", "password"));
        await using var ledger = new RedisLedgerStore(RedisConnection.Open(new LedgerSettings { Kind = LedgerKind.Redis, ConnectionString = new($"{redis.ConnectionString},user=broker"), PasswordFile = file }));
        await ShouldWorkAsync(ledger);

        Directory.Delete(data);
        await redis.ExecuteAsync("CLIENT", "KILL", "USER", "broker");
        // The server's default user needs no password: what it still answers then it answers to that one.
        await Eventually.HoldsAsync(async () => !(await redis.ExecuteAsync("INFO", "stats")).Contains("acl_access_denied_auth:0", StringComparison.Ordinal), "without its password it is not let in", Cancellation);
        await redis.ExecuteAsync("ACL", "SETUSER", "broker", ">second", "<first");
        Directory.CreateSymbolicLink(data, "..2");
        await redis.ExecuteAsync("CLIENT", "KILL", "TYPE", "normal");
        await Eventually.HoldsAsync(
            async () => await WorksAsync(ledger) && (await redis.ExecuteAsync("CLIENT", "LIST")).Contains("user=broker", StringComparison.Ordinal), "it is let in by the new password", Cancellation);
    }

    [Fact]
    public async Task The_documented_user_has_the_rights_it_needs_and_no_more()
    {
        await using var redis = await LocalRedis.StartAsync(cancellation: Cancellation);
        await redis.ExecuteAsync("ACL", ["SETUSER", "broker", "on", ">secret", .. Rights]);
        await redis.ExecuteAsync("CONFIG", "RESETSTAT");
        var connection = RedisConnection.Open($"{redis.ConnectionString},user=broker,password=secret");
        var time = new FakeTimeProvider();
        await using var ledger = new RedisLedgerStore(connection, time: time);
        var heard = new TaskCompletionSource<string>();
        using (ledger.Listen("orders", subject => heard.TrySetResult(subject)))
        {
            await Eventually.HoldsAsync(
                async () =>
                {
                    await SampleAsync(ledger);
                    return heard.Task.IsCompleted;
                },
                "the signal is heard", Cancellation);
        }

        var ring = new RedisKeyRing(connection, new byte[32], Microsoft.Extensions.Logging.Abstractions.NullLogger<RedisKeyRing>.Instance, TimeProvider.System);
        ring.StoreElement(new("key"), "key");
        ring.GetAllElements().Count.ShouldBe(1);

        await using var replica = await LocalRedis.StartAsync(cancellation: Cancellation);
        await replica.FollowAsync(redis, Cancellation);
        var texts = new TextLedger(new LedgerClient(ledger));
        await Eventually.StepsAsync(
            async () =>
            {
                time.Advance(TimeSpan.FromSeconds(11)); // it is looked for again
                await texts.ReplaceSharedAsync(Guid.NewGuid().ToString("N"), null, "text", Cancellation);
                return (await redis.ExecuteAsync("INFO", "commandstats")).Contains("cmdstat_wait:", StringComparison.Ordinal);
            },
            "a decision waited for the replica", Cancellation);

        (await DeniedAsync(redis)).ShouldBeEmpty();
        await using var cluster = await LocalRedisCluster.StartAsync(Cancellation);
        await using var member = await ConnectionMultiplexer.ConnectAsync($"127.0.0.1:{cluster.Ports[0]},allowAdmin=true{LocalRedis.Patience}");
        await using (var sharded = new RedisLedgerStore(RedisConnection.Open(cluster.ConnectionString)))
            await ShouldWorkAsync(sharded);
        var used = Used().Matches(await redis.ExecuteAsync("INFO", "commandstats")).Select(match => match.Groups[1].Value)
            .Concat(Called().Matches(string.Concat(Directory.EnumerateFiles(Repository.PathOf("Broker.Core/Ledger/Scripts"), "*.lua").Select(File.ReadAllText))).Select(match => match.Groups[1].Value.ToLowerInvariant()))
            .Concat(Used().Matches((string)(await member.GetServer("127.0.0.1", cluster.Ports[0]).ExecuteAsync("INFO", "commandstats"))!).Select(match => match.Groups[1].Value))
            .Append("auth") // by a server without HELLO
            .ToHashSet();
        foreach (var right in Acl.Where(word => word.StartsWith('+')))
            used.ShouldContain(right[1..], $"{right} is never used");

        // Nothing else is to be had by it.
        await using var thief = await ConnectionMultiplexer.ConnectAsync($"{redis.ConnectionString},user=broker,password=secret,allowAdmin=true,tiebreaker=,configChannel={LocalRedis.Patience}");
        foreach (var (command, words) in new (string, object[])[] { ("GET", ["broker:x"]), ("HGETALL", ["other:x"]), ("KEYS", ["*"]), ("CONFIG", ["GET", "*"]), ("FLUSHALL", []), ("ACL", ["LIST"]), ("PUBLISH", ["other", "x"]) })
            (await Should.ThrowAsync<RedisServerException>(() => thief.GetDatabase().ExecuteAsync(command, words))).Message.ShouldStartWith("NOPERM", customMessage: command);
    }

    [Fact]
    public async Task A_replica_that_takes_its_primarys_place_is_found_where_no_Sentinel_says_so()
    {
        await using var primary = await LocalRedis.StartAsync(cancellation: Cancellation);
        await using var replica = await LocalRedis.StartAsync(cancellation: Cancellation);
        await replica.FollowAsync(primary, Cancellation);
        var settings = new LedgerSettings { Kind = LedgerKind.Redis, ConnectionString = new($"{primary.ConnectionString},{replica.ConnectionString}") };
        await using var ledger = new RedisLedgerStore(RedisConnection.Open(settings));
        await ShouldWorkAsync(ledger);

        await primary.KillAsync();
        await replica.PromoteAsync();

        await ShouldWorkAsync(ledger);
        // The client's own round is a minute.
        RedisOptions.Of(settings, NullLogger.Instance).ConfigCheckSeconds.ShouldBe(1);
    }

    [Fact]
    public async Task Sentinel_is_waited_for_and_its_new_primary_is_followed()
    {
        await using var servers = await LocalRedisSentinel.StartServersAsync(Cancellation);
        await using var ledger = new RedisLedgerStore(RedisConnection.Open(servers.ConnectionString));
        var heard = 0;
        using var listening = ledger.Listen("orders", _ => Interlocked.Increment(ref heard));
        await Should.ThrowAsync<LedgerException>(async () => await new SharedLedger(ledger).Budgets.BudgetAsync("orders", [], Cancellation));

        await servers.StartSentinelAsync(Cancellation);
        await ShouldWorkAsync(ledger);
        await SignalShouldArriveAsync();
        await servers.Primary.StopAsync();
        await ShouldWorkAsync(ledger);
        (await servers.Replica.ExecuteAsync("INFO", "replication")).ShouldContain("role:master");
        await SignalShouldArriveAsync();

        Task SignalShouldArriveAsync()
        {
            var before = Volatile.Read(ref heard);
            return Eventually.HoldsAsync(
                async () =>
                {
                    await SampleAsync(ledger);
                    return Volatile.Read(ref heard) > before;
                },
                "a signal is heard", Cancellation);
        }
    }

    [Fact]
    public async Task Ledgers_with_different_prefixes_share_nothing()
    {
        await using var redis = await LocalRedis.StartAsync(cancellation: Cancellation);
        LedgerSettings Of(string prefix) => new() { Kind = LedgerKind.Redis, ConnectionString = new(redis.ConnectionString), Prefix = prefix };
        await using var one = new RedisLedgerStore(RedisConnection.Open(Of("broker-one")));
        await using var two = new RedisLedgerStore(RedisConnection.Open(Of("broker-two")));
        var (heard, ofOne, before, after) = (new ConcurrentQueue<string>(), new ConcurrentQueue<string>(), new ConcurrentQueue<string>(), new ConcurrentQueue<string>());
        using var listening = two.Listen("orders", heard.Enqueue);
        using var listeningToo = one.Listen("orders", ofOne.Enqueue);
        // One connection brings all that a ledger hears, in its order.
        using var listeningBefore = two.Listen("before", before.Enqueue);
        using var listeningAfter = two.Listen("after", after.Enqueue);
        await HeardAsync(two, "before", before);
        (await new TextLedger(new LedgerClient(one)).ReplaceSharedAsync("name", null, "text", Cancellation)).ShouldBeTrue();
        await HeardAsync(one, "orders", ofOne);
        (await new TextLedger(new LedgerClient(two)).ReadSharedAsync("name", Cancellation)).ShouldBeNull();
        (await new TextLedger(new LedgerClient(one)).ReadSharedAsync("name", Cancellation))!.Value.Text.ShouldBe("text");
        (await redis.ExecuteAsync("DBSIZE")).ShouldNotBe("0");
        await using var admin = await redis.AdministerAsync();
        await foreach (var key in admin.GetServer(redis.Host, redis.Port).KeysAsync()) key.ToString().ShouldMatch("^(broker-one:\\{|broker-two:\\{(before|after|~issuers)\\})");
        await HeardAsync(two, "after", after);
        heard.ShouldBeEmpty();
    }

    private static Task HeardAsync(RedisLedgerStore ledger, string database, ConcurrentQueue<string> heard) => Eventually.HoldsAsync(
        async () =>
        {
            await SampleAsync(ledger, database);
            return !heard.IsEmpty;
        },
        "a signal is heard", Cancellation);

    internal static object[] Rights => [.. Acl.SkipWhile(word => word != "resetkeys")];

    private static async Task<string[]> DeniedAsync(LocalRedis redis)
    {
        await using var connection = await redis.AdministerAsync();
        var log = (RedisResult[])(await connection.GetServer(redis.Host, redis.Port).ExecuteAsync("ACL", "LOG"))!;
        return [.. log.Select(entry => string.Join(' ', ((RedisResult[])entry!).Select(word => word.ToString())))];
    }

    private static async ValueTask SampleAsync(RedisLedgerStore ledger, string database = "orders") =>
        await new SharedLedger(ledger).Budgets.SampleAsync(database, 10, 10, 0, 10, 0, TimeSpan.FromSeconds(1), Cancellation);

    internal static Task ShouldWorkAsync(RedisLedgerStore ledger) => Eventually.HoldsAsync(() => WorksAsync(ledger), "Redis takes decisions", Cancellation);

    private static async Task<bool> WorksAsync(RedisLedgerStore ledger)
    {
        try
        {
            await new SharedLedger(ledger).Budgets.BudgetAsync("orders", [], Cancellation);
            return true;
        }
        catch (LedgerException)
        {
            return false;
        }
    }

    [GeneratedRegex("(?m)^user broker on >PASSWORD (.*)$")]
    private static partial Regex AclLine();

    [GeneratedRegex("cmdstat_([^:]+):")]
    private static partial Regex Used();

    [GeneratedRegex("call\\('([A-Z]+)'")]
    private static partial Regex Called();
}

/// <summary>The whole contract, as the user that docs/redis.md describes.</summary>
public sealed class RedisLeastRightsLedgerTests(RedisLeastRightsLedgerTests.Server server) : LedgerContract, IClassFixture<RedisLeastRightsLedgerTests.Server>
{
    protected override ILedgerStore Store => server.Store;

    protected override async Task TamperAsync(string key, string field, string value) => await server.ExecuteAsync("HSET", key, field, value);

    public sealed class Server : IAsyncLifetime
    {
        private LocalRedis redis = null!;

        public RedisLedgerStore Store { get; private set; } = null!;

        public Task ExecuteAsync(string command, params object[] words) => redis.ExecuteAsync(command, words);

        public async ValueTask InitializeAsync()
        {
            redis = await LocalRedis.StartAsync(cancellation: TestContext.Current.CancellationToken);
            await redis.ExecuteAsync("ACL", ["SETUSER", "broker", "on", ">secret", .. RedisAsItIsRunTests.Rights]);
            Store = new(RedisConnection.Open($"{redis.ConnectionString},user=broker,password=secret"));
        }

        public async ValueTask DisposeAsync()
        {
            await Store.DisposeAsync();
            await redis.DisposeAsync();
        }
    }
}
