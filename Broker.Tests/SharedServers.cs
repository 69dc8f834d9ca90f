using Broker.Tests;
using LoadTests.LocalServers;
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

    /// <summary>One PostgreSQL with room for many tests at once.</summary>
    public Task<LocalPostgres> PostgresAsync() => postgres.Value;

    public async ValueTask DisposeAsync()
    {
        if (postgres.IsValueCreated)
            await (await postgres.Value).DisposeAsync();
    }
}
