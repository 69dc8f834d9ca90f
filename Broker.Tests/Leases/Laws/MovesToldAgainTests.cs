using Broker.Core.Leases.Claims;
using Broker.Core.Ledger;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>A holder that is answered from memory is told of its move as it is now, not as it was then.</summary>
public class MovesToldAgainTests
{
    /// <summary>A pod's renewal.</summary>
    internal static readonly Claim Renewal = new("pod", new("r", 0, TimeSpan.FromMinutes(30), 500, TimeSpan.Zero), "r", 1, 1, TimeSpan.Zero, TimeSpan.Zero, ClaimKind.Renew, "caller");

    [Theory]
    [InlineData(3, 5)]
    [InlineData(8, 0)]
    [InlineData(9, 0)]
    public void L2_A_move_that_is_told_again_from_memory_leaves_no_more_time_than_it_left_at_first(int later, int left)
    {
        var time = new FakeTimeProvider();
        var now = time.GetUtcNow();
        var grants = new RememberedGrants(time);
        grants.Remember(
            "orders",
            Renewal,
            new("new", 1, now.AddMinutes(30), now.AddHours(1), now, TimeSpan.FromSeconds(8), false, null, null, null) { Now = now, Beside = "old", BesideConnections = 1, BesideEndsAt = now.AddSeconds(8) });

        time.Advance(TimeSpan.FromSeconds(later));

        var told = grants.Find("orders", "pod").ShouldNotBeNull();
        (told.Lease, told.Overlap).ShouldBe(("new", TimeSpan.FromSeconds(left)));
    }
}
