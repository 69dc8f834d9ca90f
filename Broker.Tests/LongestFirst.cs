using Broker.Tests;
using Broker.Tests.Databases;
using Broker.Tests.Docs;
using Broker.Tests.Drivers;
using Broker.Tests.Failure;
using Broker.Tests.Fronts.Vault;
using Broker.Tests.Leases;
using Broker.Tests.Page;
using Broker.Tests.Security.Redis;
using Broker.Tests.Simulations;
using Broker.Tests.Starting;
using Broker.Tests.Telemetry;
using Xunit;
using Xunit.Sdk;
using Xunit.v3;

[assembly: TestCollectionOrderer(typeof(LongestFirst))]

namespace Broker.Tests;

/// <summary>Has the longest classes run first: one that begins last would run alone to the end. The rest follows in its usual order.</summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    // Those that mostly wait beside those that work.
    private static readonly Type[] Long =
    [
        typeof(StartTests), typeof(KilledReplicaTests), typeof(ClientHabitsTests), typeof(AlertsOfLeasesTests), typeof(PostgreSqlDriverTests), typeof(PoolerRotationTests),
        typeof(AlertsOnTheProductTests), typeof(MySqlDriverTlsTests), typeof(ClientsTests), typeof(ChaosTests), typeof(NotReadyTests), typeof(SeedTests), typeof(RedisWriterTests),
        typeof(PodsGoneTests), typeof(ClientsBreatheTests), typeof(PageLooksTests), typeof(ClientsOverlapTests), typeof(NothingGivenGrowsOnPostgreSqlTests), typeof(RolloutTests),
    ];

    /// <inheritdoc/>
    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(IReadOnlyCollection<TTestCollection> testCollections)
        where TTestCollection : ITestCollection =>
        [.. testCollections.OrderBy(static one => Place(one.TestCollectionDisplayName)).ThenBy(static one => one.UniqueID, StringComparer.Ordinal)];

    // Each class is a collection that is called after it.
    private static int Place(string collection) =>
        Array.FindIndex(Long, one => collection.Contains($" {one.FullName} ", StringComparison.Ordinal)) is var at and >= 0 ? at : Long.Length;
}
