using Broker.Tests;
using LoadTests.Servers.LocalServers;
using Xunit;

[assembly: AssemblyFixture(typeof(SharedServers))]

namespace Broker.Tests;

/// <summary>
/// The servers all tests share, started when the first test asks. A test makes a database and users of its own in them, and
/// starts a private server when it must stop it or fill it.
/// </summary>
public sealed class SharedServers : IAsyncDisposable
{
    private readonly Lazy<Task<LocalPostgres>> postgres = new(() => LocalPostgres.StartAsync(new() { MaxConnections = 400 }));

    private readonly Lazy<Task<LocalPostgres>> postgres18 = new(() => LocalPostgres.StartAsync(new() { Version = 18, MaxConnections = 200 }));

    private readonly Lazy<Task<LocalMariaDb>> mariaDb = new(() => LocalMariaDb.StartAsync(new() { MaxConnections = 400 }));

    private readonly Lazy<Task<LocalMySql?>> mySql = new(() => LocalMySql.StartAsync());

    private readonly Lazy<Task<LocalMongoDb?>> mongoDb = new(() => LocalMongoDb.StartAsync());

    /// <summary>One MongoDB; null when there is no Docker engine to run it.</summary>
    public Task<LocalMongoDb?> MongoDbAsync() => mongoDb.Value;

    /// <summary>One MySQL; null when there is no Docker engine to run it.</summary>
    public Task<LocalMySql?> MySqlAsync() => mySql.Value;

    /// <summary>One MariaDB with room for many tests at once.</summary>
    public Task<LocalMariaDb> MariaDbAsync() => mariaDb.Value;

    /// <summary>One PostgreSQL with room for many tests at once.</summary>
    public Task<LocalPostgres> PostgresAsync() => postgres.Value;

    /// <summary>One PostgreSQL 18: what administrators may do changed in 16.</summary>
    public Task<LocalPostgres> Postgres18Async() => postgres18.Value;

    public async ValueTask DisposeAsync()
    {
        if (postgres.IsValueCreated)
            await (await postgres.Value).DisposeAsync();
        if (postgres18.IsValueCreated)
            await (await postgres18.Value).DisposeAsync();
        if (mariaDb.IsValueCreated)
            await (await mariaDb.Value).DisposeAsync();
        if (mySql.IsValueCreated && await mySql.Value is { } container)
            await container.DisposeAsync();
        if (mongoDb.IsValueCreated && await mongoDb.Value is { } mongo)
            await mongo.DisposeAsync();
    }
}
