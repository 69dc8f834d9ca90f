using Broker.Core.Leases;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>A test for each fault that the simulation found, named for what broke.</summary>
public sealed class BrokeOnceTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task L12_Who_waits_for_a_lease_that_it_fills_books_no_other_each_time_it_looks()
    {
        await using var world = new World(World.OrdersApi with { MaxHoldersPerLease = 1 });
        var hold = new TaskCompletionSource();
        world.Issuer.Before = () => hold.Task;
        var replica = await world.ReplicaAsync();
        var waiting = replica.AskAsync(World.Ask(0, wait: TimeSpan.FromSeconds(30)));
        var until = world.Clock.GetUtcNow() + TimeSpan.FromSeconds(5);
        await world.PassAsync(() => world.Clock.GetUtcNow() > until, Minute);
        hold.SetResult();
        (await world.PassAsync(waiting, Minute)).Grant.ShouldNotBeNull();
        world.Issuer.Asked.Count.ShouldBe(1);
    }
}
