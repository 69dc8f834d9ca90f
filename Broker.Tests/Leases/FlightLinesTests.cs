using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>Attempts to issue that wait because as many calls that change users are in flight as may be.</summary>
public sealed class FlightLinesTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);
    private static readonly Database One = World.Orders with { Issuing = World.Orders.Issuing with { InFlight = 1 } };
    private static readonly Role EachItsOwn = World.OrdersApi with { Sharing = SharingScope.Holder };

    [Fact]
    public async Task L12_However_many_wait_one_of_them_asks_the_ledger_and_they_are_served_as_they_came()
    {
        await using var world = new World(EachItsOwn, One);
        var replica = await world.ReplicaAsync();
        await FlyAsync(world);
        var begins = 0;
        replica.Link.OnTheWayBack = decision =>
        {
            if (decision == Decision.Begin) begins++;
            return Task.CompletedTask;
        };
        var served = new List<int>();
        var asked = Task.WhenAll(Enumerable.Range(0, 10).Select(AskAsync));
        await world.PassAsync(Second);
        begins = 0;

        await world.PassAsync(5 * Second);
        begins.ShouldBeLessThanOrEqualTo(22, "ten wait, and the first looks four times a second whether a signal was lost");
        await world.Ledger.Flights.LandAsync("orders", "another", default);
        await world.PassAsync(() => asked.IsCompleted, Second);
        await asked;
        served.ShouldBe(Enumerable.Range(0, 10), "who lands wakes the next");

        async Task AskAsync(int pod)
        {
            (await replica.AskAsync(World.Ask(pod, 1, wait: 20 * Second))).Grant.ShouldNotBeNull();
            served.Add(pod);
        }
    }

    [Fact]
    public async Task L10_An_attempt_for_which_nobody_waits_any_more_leaves_the_line()
    {
        await using var world = new World(EachItsOwn, One);
        var replica = await world.ReplicaAsync();
        await FlyAsync(world);
        var outcomes = await world.PassAsync(Task.WhenAll(Enumerable.Range(0, 3).Select(pod => replica.AskAsync(World.Ask(pod, 1, wait: 2 * Second)))), Minute);
        outcomes.ShouldAllBe(outcome => outcome.Refusal != null);
        (await world.LeasesAsync()).Count(lease => lease.State == LeaseState.Issuing).ShouldBe(3, "who comes back finds its place");

        await world.PassAsync(40 * Second);

        (await world.LeasesAsync()).ShouldAllBe(lease => lease.State == LeaseState.Failed);
        replica.Issuance.DrainAsync().IsCompleted.ShouldBeTrue();
        await world.Ledger.Flights.LandAsync("orders", "another", default);
        await world.PassAsync(5 * Second);
        world.Issuer.Made.ShouldBe(0);
        (await world.PassAsync(replica.AskAsync(World.Ask(0, 1)), Minute)).Grant.ShouldNotBeNull();
    }

    [Fact]
    public async Task L10_Who_still_waits_keeps_the_attempt_however_long_it_takes()
    {
        await using var world = new World(EachItsOwn, One);
        var replica = await world.ReplicaAsync();
        await FlyAsync(world);
        for (var i = 0; i < 5; i++) (await world.PassAsync(replica.AskAsync(World.Ask(0, 1, wait: 15 * Second)), Minute)).Refusal.ShouldNotBeNull();
        var asked = replica.AskAsync(World.Ask(0, 1, wait: 15 * Second));
        await world.PassAsync(Second);

        await world.Ledger.Flights.LandAsync("orders", "another", default);

        (await world.PassAsync(asked, Second)).Grant.ShouldNotBeNull();
        (await world.LeasesAsync()).Count.ShouldBe(1, "it is the attempt that began more than a minute ago");
    }

    [Theory]
    [InlineData(100)]
    [InlineData(0.05)]
    public async Task L10_A_replica_that_stops_hands_on_what_has_not_begun(double usersPerSecond)
    {
        await using var world = new World(EachItsOwn, One with { Issuing = One.Issuing with { UsersPerSecond = usersPerSecond, Burst = 1 } });
        var (a, b) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        (await world.PassAsync(a.AskAsync(World.Ask(9, 1)), Minute)).Grant.ShouldNotBeNull(); // the next user has to wait for its moment
        await FlyAsync(world);
        var waits = a.AskAsync(World.Ask(0, 1, wait: 25 * Second));
        await world.PassAsync(Second);
        var lease = (await world.LeasesAsync()).Single(lease => lease.State == LeaseState.Issuing).Id;

        a.Shutdown.Begin();
        await world.PassAsync(() => a.Issuance.DrainAsync().IsCompleted, Second);
        (await world.PassAsync(waits, 2 * Second)).Refusal.ShouldNotBeNull();
        var elsewhere = b.AskAsync(World.Ask(0, 1, wait: 25 * Second));
        await world.PassAsync(Second);
        await world.Ledger.Flights.LandAsync("orders", "another", default);

        (await world.PassAsync(elsewhere, 25 * Second)).Grant.ShouldNotBeNull().Lease.Id.ShouldBe(lease, "it keeps its booked moment");
    }

    // The one place is another call's.
    private static async Task FlyAsync(World world) =>
        (await world.Ledger.Flights.TakeFlightAsync("orders", "another", One.Issuing, 10 * Minute, default)).ShouldBeTrue();
}
