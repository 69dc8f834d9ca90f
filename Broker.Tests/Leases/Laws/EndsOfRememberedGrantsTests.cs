using Broker.Core.Leases.Claims;
using Broker.Core.Ledger;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>
/// A remembered grant is told from memory until the replica's stopwatch, its clock or the ledger's time says that it is over, whichever does first; it is counted
/// until the stopwatch does.
/// </summary>
public class EndsOfRememberedGrantsTests
{
    [Theory]
    [InlineData(4, true)]
    [InlineData(6, false)]
    [InlineData(31, false)]
    public void L3_What_has_ended_while_the_machine_was_suspended_is_not_told_from_memory(int minutes, bool told)
    {
        var time = new SuspendedTime();
        var now = time.GetUtcNow();
        var grants = new RememberedGrants(time);
        grants.Remember("orders", MovesToldAgainTests.Renewal, new("lease", 1, now.AddMinutes(30), now.AddHours(1), now, null, false, null, null, null) { Now = now });
        grants.Hear("orders", new("1", now, 1, false, [], []));
        time.Suspend(TimeSpan.FromMinutes(minutes));
        (grants.Find("orders", "pod") is not null).ShouldBe(told);
        grants.HoldersOf("orders").ShouldHaveSingleItem("by the stopwatch it has not ended");
    }

    [Theory]
    [InlineData(0, 0, true)]
    [InlineData(0, 31, false)]
    [InlineData(20, 0, false)]
    [InlineData(8, 0, true)]
    [InlineData(8, 9, true)]
    [InlineData(8, 11, false)]
    public void L3_What_has_ended_by_the_ledgers_time_is_not_told_from_memory(int leapInMinutes, int thenMinutes, bool told)
    {
        var time = new FakeTimeProvider();
        var now = time.GetUtcNow();
        var grants = new RememberedGrants(time);
        grants.Remember("orders", MovesToldAgainTests.Renewal, new("lease", 1, now.AddMinutes(30), now.AddHours(1), now, null, false, null, null, null) { Now = now });

        time.Advance(TimeSpan.FromMinutes(12));
        Hear();
        while (thenMinutes-- > 0)
        {
            time.Advance(TimeSpan.FromMinutes(1));
            Hear();
        }

        (grants.Find("orders", "pod") is not null).ShouldBe(told);

        // The ledger's time has leapt by so much since the grant.
        void Hear() => grants.Hear("orders", new("1", time.GetUtcNow() + TimeSpan.FromMinutes(leapInMinutes), 1, false, [], []));
    }
}

/// <summary>The time of a machine that is suspended: its stopwatch stands still, and its clock goes on.</summary>
internal sealed class SuspendedTime : FakeTimeProvider
{
    private TimeSpan suspended;

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + suspended;

    // The base class' stopwatch is its clock.
    public override long GetTimestamp() => base.GetUtcNow().Ticks;

    /// <summary>It is suspended for this long.</summary>
    public void Suspend(TimeSpan time) => suspended += time;
}
