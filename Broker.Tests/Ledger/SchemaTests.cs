using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Ledger.Redis;
using Broker.Core.Operators;
using LoadTests.Servers.LocalServers;
using Shouldly;
using Xunit;

namespace Broker.Tests.Ledger;

/// <summary>Two versions of the broker on one ledger, while one replaces the other.</summary>
public sealed class SchemaTests
{
    private const string Database = "orders";

    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static string Budget => LedgerKeys.Of(Database)[0];

    [Fact]
    public async Task A_replica_that_finds_records_of_a_newer_version_keeps_its_hands_off()
    {
        await using var redis = await LocalRedis.StartAsync(cancellation: Cancellation);
        await using var store = new RedisLedgerStore(RedisConnection.Open(redis.ConnectionString));
        var ledger = new SharedLedger(store);
        await ledger.Duties.DueAsync(Database, ["sample"], 1, Minute, Cancellation);
        (await redis.ExecuteAsync("HGET", Budget, "schema")).ShouldBe(SharedLedger.Schema.ToString(provider: null));

        await redis.ExecuteAsync("HSET", Budget, "schema", SharedLedger.Schema + 1);
        var writes = await WritesAsync(redis);
        var claim = new Claim("r.h", new("r", 0, Minute, 500, Minute), "r", 1, 1, Minute, Minute, ClaimKind.Claim, "c");

        Func<Task>[] decisions =
        [
            async () => await ledger.Claims.ClaimAsync(Database, new PaceSettings(), 10, [claim], Cancellation),
            // One that took what the newer broker is to do would keep it from it.
            async () => await ledger.Duties.DueAsync(Database, ["sample", "leftovers"], 10, Minute, Cancellation),
            async () => await ledger.Holders.ReleaseAsync(Database, "r.h", Cancellation),
            async () => await ledger.Budgets.SampleAsync(Database, 10, 10, 0, 10, 0, Minute, Cancellation),
        ];
        foreach (var decision in decisions)
            (await decision.ShouldThrowAsync<LedgerException>()).Message.ShouldContain("run the newer broker");
        (await WritesAsync(redis)).ShouldBe(writes);
    }

    [Fact]
    public async Task The_first_of_a_newer_version_says_so()
    {
        await using var redis = await LocalRedis.StartAsync(cancellation: Cancellation);
        await using var store = new RedisLedgerStore(RedisConnection.Open(redis.ConnectionString));
        await redis.ExecuteAsync("HSET", Budget, "schema", SharedLedger.Schema - 1);

        await new SharedLedger(store).Duties.DueAsync(Database, [], 1, Minute, Cancellation);

        (await redis.ExecuteAsync("HGET", Budget, "schema")).ShouldBe(SharedLedger.Schema.ToString(provider: null));
    }

    private static async Task<string> WritesAsync(LocalRedis redis) =>
        (await redis.ExecuteAsync("INFO", "persistence")).Split("\r\n").Single(line => line.StartsWith("rdb_changes_since_last_save:", StringComparison.Ordinal));
}
