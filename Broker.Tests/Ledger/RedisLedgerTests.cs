using System.Globalization;
using Broker.Core.Ledger;
using Broker.Core.Ledger.Redis;
using Broker.Tests.Contracts;
using LoadTests.FromInside.Capacity;
using LoadTests.Servers.LocalServers;
using Shouldly;
using Xunit;

namespace Broker.Tests.Ledger;

public sealed class RedisLedgerTests(RedisLedgerTests.Server server) : LedgerContract, IClassFixture<RedisLedgerTests.Server>
{
    protected override ILedgerStore Store => server.Store;

    protected override Task TamperAsync(string key, string field, string value) => server.TamperAsync(key, field, value);

    public sealed class Server : IAsyncLifetime
    {
        private LocalRedis redis = null!;

        public RedisLedgerStore Store { get; private set; } = null!;

        public async Task TamperAsync(string key, string field, string value)
        {
            await using var connection = RedisConnection.Open(redis.ConnectionString);
            await connection.Database.HashSetAsync(key, field, value);
        }

        public async ValueTask InitializeAsync()
        {
            redis = await LocalRedis.StartAsync();
            Store = new(RedisConnection.Open(redis.ConnectionString));
        }

        public async ValueTask DisposeAsync()
        {
            await Store.DisposeAsync();
            await redis.DisposeAsync();
        }
    }
}

public sealed class RedisClusterLedgerTests(RedisClusterLedgerTests.Server server) : LedgerContract, IClassFixture<RedisClusterLedgerTests.Server>
{
    protected override ILedgerStore Store => server.Store;

    protected override Task TamperAsync(string key, string field, string value) => server.TamperAsync(key, field, value);

    [Fact]
    public async Task A_databases_keys_lie_in_the_slot_and_on_the_master_where_the_capacity_model_has_them()
    {
        foreach (var database in new[] { "db-00", "server-1/orders", "~issuers", "größe" })
        {
            var keys = LedgerKeys.Of(database);
            (await server.SlotOfAsync(keys[0])).ShouldBe(HashSlots.Of(keys[0]));
            (await server.MasterOfAsync(keys[0])).ShouldBe(HashSlots.MasterOf(HashSlots.Of(keys[^1]), 3));
        }
    }

    public sealed class Server : IAsyncLifetime
    {
        private LocalRedisCluster cluster = null!;

        public RedisLedgerStore Store { get; private set; } = null!;

        public async Task<int> SlotOfAsync(string key) => int.Parse(await cluster.ExecuteAsync(cluster.Ports[0], "CLUSTER", "KEYSLOT", key), CultureInfo.InvariantCulture);

        public async Task<int> MasterOfAsync(string key) => cluster.Ports.ToList().IndexOf(await cluster.MasterOfAsync(key));

        public async Task TamperAsync(string key, string field, string value)
        {
            await using var connection = RedisConnection.Open(cluster.ConnectionString);
            await connection.Database.HashSetAsync(key, field, value);
        }

        public async ValueTask InitializeAsync()
        {
            cluster = await LocalRedisCluster.StartAsync();
            Store = new(RedisConnection.Open(cluster.ConnectionString));
        }

        public async ValueTask DisposeAsync()
        {
            await Store.DisposeAsync();
            await cluster.DisposeAsync();
        }
    }
}
