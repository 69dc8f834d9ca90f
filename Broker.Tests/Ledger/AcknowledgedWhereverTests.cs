using System.Globalization;
using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Ledger.Redis;
using LoadTests.Servers.LocalServers;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Ledger;

/// <summary>
/// Rare records that are costly to forget survive a failover of a Redis Cluster, whose nodes each have a replica, and after one that Sentinel orders.
/// </summary>
public sealed class AcknowledgedWhereverTests
{
    private readonly FakeTimeProvider time = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task On_a_Cluster_the_node_that_owns_the_slot_waits_for_its_replica_and_no_other_does()
    {
        await using var cluster = await LocalRedisCluster.StartAsync(withReplicas: true, Cancellation);
        await using var store = Open(cluster.ConnectionString);
        var ledger = new SharedLedger(store);
        var waited = new HashSet<int>();
        for (var number = 0; waited.Count < cluster.Ports.Count; number++)
        {
            var database = $"orders{number}";
            var owner = await cluster.MasterOfAsync(LedgerKeys.Of(database)[0]);
            if (!waited.Add(owner)) continue;
            await Eventually.StepsAsync(
                async () =>
                {
                    time.Advance(TimeSpan.FromSeconds(11));
                    await ledger.Issues.BeginAsync(database, "lease", 1, "user", new PaceSettings(), Cancellation);
                    return await WaitsAsync(owner) > 0;
                },
                $"the owner of {database} waits",
                Cancellation);
            foreach (var port in cluster.Ports.Except(waited)) (await WaitsAsync(port)).ShouldBe(0, "nothing of its own was decided");
        }

        async Task<long> WaitsAsync(int port) => WaitsIn(await cluster.ExecuteAsync(port, "INFO", "commandstats"));
    }

    [Fact]
    public async Task L8_What_was_answered_is_there_when_a_replica_takes_the_place_of_the_node_that_owns_the_slot()
    {
        await using var cluster = await LocalRedisCluster.StartAsync(withReplicas: true, Cancellation);
        await using var store = Open(cluster.ConnectionString);
        var texts = Texts(store);
        var owner = await cluster.MasterOfAsync(LedgerKeys.Of(SharedLedger.Issuers)[0]);
        await WaitsForAsync(texts, async () => WaitsIn(await cluster.ExecuteAsync(owner, "INFO", "commandstats")));
        await WriteAsync(texts);

        await cluster.PauseAsync(owner); // at once: what it had not sent by now it never sends
        await cluster.TakeOverAsync(owner, Cancellation);

        await IsThereAsync(texts);
        await GoesOnAsync(texts);
    }

    [Fact]
    public async Task L8_What_was_answered_is_there_when_Sentinel_puts_the_replica_in_the_primarys_place_and_the_former_primary_is_waited_for_as_a_replica()
    {
        await using var servers = await LocalRedisSentinel.StartServersAsync(Cancellation);
        await servers.StartSentinelAsync(Cancellation);
        await using var store = Open(servers.ConnectionString);
        var texts = Texts(store);
        await WaitsForAsync(texts, async () => WaitsIn(await servers.Primary.ExecuteAsync("INFO", "commandstats")));
        await WriteAsync(texts);

        await servers.Primary.PauseAsync();
        try
        {
            await IsThereAsync(texts);
            (await servers.Replica.ExecuteAsync("INFO", "replication")).ShouldContain("role:master");
            await GoesOnAsync(texts);
        }
        finally
        {
            await servers.Primary.ResumeAsync();
        }

        // Sentinel tells it whom it follows now.
        await WaitsForAsync(texts, async () => WaitsIn(await servers.Replica.ExecuteAsync("INFO", "commandstats")));
    }

    private RedisLedgerStore Open(string connectionString) => new(RedisConnection.Open(connectionString), time: time);

    private static TextLedger Texts(ILedgerStore store) => new(new LedgerClient(store));

    // Looked at in the background: one decision asks whether there is a replica, a later one waits for it.
    private Task WaitsForAsync(TextLedger texts, Func<Task<long>> waits) => Eventually.StepsAsync(
        async () =>
        {
            time.Advance(TimeSpan.FromSeconds(11));
            await TryAsync(async () => await texts.ReplaceSharedAsync(Guid.NewGuid().ToString("N"), null, "text", Cancellation));
            return await waits() > 0;
        },
        "a decision waits for the replica",
        Cancellation);

    private static async Task WriteAsync(TextLedger texts)
    {
        for (var i = 0; i < 50; i++) (await texts.ReplaceSharedAsync($"ceiling:{i}", null, "60", Cancellation)).ShouldBeTrue();
    }

    private static async Task IsThereAsync(TextLedger texts)
    {
        for (var i = 0; i < 50; i++)
        {
            string? found = null;
            await Eventually.HoldsAsync(
                () => TryAsync(async () => found = (await texts.ReadSharedAsync($"ceiling:{i}", Cancellation))?.Text), "the new primary answers", Cancellation);
            found.ShouldBe("60");
        }
    }

    private Task GoesOnAsync(TextLedger texts) => Eventually.StepsAsync(
        () =>
        {
            time.Advance(TimeSpan.FromSeconds(11));
            return TryAsync(async () => await texts.ReplaceSharedAsync(Guid.NewGuid().ToString("N"), null, "text", Cancellation));
        },
        "decisions are taken again",
        Cancellation);

    // A failover may cost answers, each in the one way that callers are prepared for.
    private static async Task<bool> TryAsync(Func<Task> ask)
    {
        try
        {
            await ask();
            return true;
        }
        catch (LedgerException)
        {
            return false;
        }
    }

    private static long WaitsIn(string commandStatistics) =>
        commandStatistics.Split('\n').FirstOrDefault(static one => one.StartsWith("cmdstat_wait:", StringComparison.Ordinal)) is { } line
            ? long.Parse(line.Split("calls=")[1].Split(',')[0], CultureInfo.InvariantCulture)
            : 0;
}
