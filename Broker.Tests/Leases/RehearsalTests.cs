using Broker.Core.Leases.Rehearsing;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>What a replica plays before it is ready.</summary>
public sealed class RehearsalTests
{
    [Fact]
    public async Task A_rehearsed_rollout_is_granted_all_that_it_asks_for() =>
        (await IssueRehearsal.PlayAsync(2, TimeProvider.System, TestContext.Current.CancellationToken)).ShouldBeNull();

    [Fact]
    public async Task It_needs_no_time_to_pass() =>
        (await IssueRehearsal.PlayAsync(3, new FakeTimeProvider(), TestContext.Current.CancellationToken)).ShouldBeNull();
}
