using Broker.Core.Leases.Claims;
using Broker.Core.Ledger;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>A remembered grant ends by the replica's stopwatch or by the ledger's time, whichever comes first.</summary>
public class EndsOfRememberedGrantsTests
{
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
