using Broker.Tests;
using Broker.Tests.Failure;
using Broker.Tests.Fronts.Vault;
using Broker.Tests.Page;
using Broker.Tests.Telemetry;
using Xunit.Sdk;
using Xunit.v3;

[assembly: Xunit.TestCollectionOrderer(typeof(LongestFirst))]

namespace Broker.Tests;

/// <summary>
/// Classes that take a minute and more, mostly waiting, begin first: one that begins last runs alone at the end, while the other processors have nothing to do.
/// </summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    private static readonly string[] Longest =
    [
        .. new[] { typeof(AlertsOfLeasesTests), typeof(AlertsOnTheProductTests), typeof(RotationOfOthersTests), typeof(PoolerRotationTests), typeof(PageOrdersTests) }.Select(static type => type.FullName!),
    ];

    /// <inheritdoc/>
    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(IReadOnlyCollection<TTestCollection> testCollections)
        where TTestCollection : ITestCollection =>
        [.. testCollections.OrderBy(static collection => Array.FindIndex(Longest, name => collection.TestCollectionDisplayName.Contains(name + " ", StringComparison.Ordinal)) is >= 0 and var at ? at : Longest.Length)];
}
