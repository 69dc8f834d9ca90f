using Broker.Core.Ledger;
using Broker.Core.Ledger.Redis;
using Broker.Tests.Contracts;
using LoadTests.Servers.LocalServers;
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

    public sealed class Server : IAsyncLifetime
    {
        private LocalRedisCluster cluster = null!;

        public RedisLedgerStore Store { get; private set; } = null!;

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
