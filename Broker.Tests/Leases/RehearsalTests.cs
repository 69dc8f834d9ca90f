using Broker.Core.Leases.Rehearsing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>What a replica plays before it is ready.</summary>
public sealed class RehearsalTests
{
    [Fact]
    public async Task A_rehearsed_rollout_is_granted_all_that_it_asks_for() =>
        (await IssueRehearsal.PlayAsync(2, TimeProvider.System, TestContext.Current.CancellationToken)).ShouldBeNull();
}
