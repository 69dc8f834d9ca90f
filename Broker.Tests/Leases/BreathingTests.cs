using Broker.Core.Leases.Holders;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>A holder that follows sizes, from the claim through the watch to the confirmation.</summary>
public sealed class BreathingTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task A_watching_holder_is_asked_to_go_down_for_a_waiting_caller_and_is_given_more_when_that_has_left()
    {
        await using var world = new World(World.OrdersApi with { Connections = new() { SurgePercent = 0 } }, capacity: 20);
        var replica = await world.ReplicaAsync();
        var other = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0, 20, least: 1)), Minute)).Grant!;
        grant.Connections.ShouldBe(20);
        await using var events = replica.Watch.WatchAsync(World.Ask(0).Caller, grant.Holder.Id, grant.Lease.Id, World.From, default, allotment: 0).GetAsyncEnumerator(default);
        (await NextAsync(world, events)).ShouldBeOfType<HolderEvent.Renewed>().Grant.Allotment.ShouldBe(0);

        var waiting = other.AskAsync(World.Ask(1, 5, wait: Minute));
        var asked = (await NextAsync(world, events)).ShouldBeOfType<HolderEvent.Resized>().Grant;
        (asked.Connections, asked.Counted).ShouldBe((15, 20));
        waiting.IsCompleted.ShouldBeFalse("all it has counts until it has said that it went down");

        var said = (await world.PassAsync(other.Holders.RenewAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default, grant.Lease.Id, asked.Allotment).AsTask(), Minute)).Grant!;
        (said.Connections, said.Counted).ShouldBe((15, 15));
        var second = (await world.PassAsync(waiting, TimeSpan.FromSeconds(2))).Grant!;
        second.Connections.ShouldBe(5);

        await other.Holders.ReleaseAsync(World.Ask(1).Caller, second.Holder.Id, World.From, default);
        var grown = asked;
        while (grown.Connections < 20) grown = (await NextAsync(world, events)) switch
        {
            HolderEvent.Resized resized => resized.Grant,
            HolderEvent.Renewed renewed => renewed.Grant,
            var unexpected => throw new InvalidOperationException($"{unexpected}"),
        };
        (grown.Counted, grown.Allotment > asked.Allotment).ShouldBe((20, true));
    }

    [Fact]
    public async Task L8_What_was_confirmed_elsewhere_is_not_answered_from_memory()
    {
        await using var world = new World(World.OrdersApi with { Connections = new() { SurgePercent = 0 } }, capacity: 20);
        var (replica, other) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0, 20, least: 1)), Minute)).Grant!;
        await world.PassAsync(RenewAsync(replica, 0), Minute);
        var waiting = other.AskAsync(World.Ask(1, 5, wait: Minute));
        await world.IdleAsync();
        var asked = (await world.PassAsync(RenewAsync(other, 0), Minute)).Grant!;
        replica.Link.Cut();
        await world.PassAsync(RenewAsync(other, asked.Allotment!.Value), Minute);
        (await world.PassAsync(waiting, Minute)).Grant.ShouldNotBeNull();

        var answer = await world.PassAsync(RenewAsync(replica, asked.Allotment.Value), Minute);
        answer.Grant.ShouldBeNull("it remembers 20 connections, of which 5 are another's by now");

        Task<Broker.Core.Leases.Outcome> RenewAsync(World.Replica at, long allotment) =>
            at.Holders.RenewAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default, grant.Lease.Id, allotment).AsTask();
    }

    private static async Task<HolderEvent> NextAsync(World world, IAsyncEnumerator<HolderEvent> events)
    {
        do (await world.PassAsync(events.MoveNextAsync().AsTask(), TimeSpan.FromMinutes(3))).ShouldBeTrue();
        while (events.Current is HolderEvent.StillHere);
        return events.Current;
    }
}
