using Broker.Core.Identity;
using Broker.Core.Leases;
using Broker.Core.Leases.Holders;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>What lives longer than a request is proven again before it hands out or renews anything.</summary>
public sealed class StandingProofTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private readonly Proof proof = new();

    private Origin From => World.From with { Proof = proof };

    [Fact]
    public async Task L7_A_watching_holder_that_is_proven_no_more_is_renewed_and_moved_no_more()
    {
        await using var world = new World(World.OrdersApi with { HolderTtl = TimeSpan.FromMinutes(2) });
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        await using var events = replica.Watch.WatchAsync(World.Ask(0).Caller, grant.Holder.Id, null, From, default).GetAsyncEnumerator(default);
        (await NextAsync(world, events)).ShouldBeOfType<HolderEvent.Renewed>();

        proof.WhyNot = new(RefusalCode.Unauthenticated, "withdrawn");
        var told = NextAsync(world, events);
        await replica.Leases.RotateAsync(World.Ask(0).Caller, "orders-api", "a test", World.From, default);
        (await told).ShouldBeOfType<HolderEvent.Ending>().Refusal.Code.ShouldBe(RefusalCode.Unauthenticated);
        (await events.MoveNextAsync()).ShouldBeFalse();
        (await world.Ledger.Holders.HoldersAsync("orders", grant.Lease.Id, 10, default)).ShouldHaveSingleItem().EndsAt.ShouldBe(grant.Holder.ExpiresAt, TimeSpan.FromMilliseconds(10), "it was not renewed");
    }

    [Fact]
    public async Task L7_A_watching_holder_that_cannot_be_proven_now_is_told_nothing_until_it_can()
    {
        await using var world = new World(World.OrdersApi with { HolderTtl = TimeSpan.FromMinutes(2) });
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        proof.WhyNot = new(RefusalCode.Unauthenticated, "its issuer does not answer", TimeSpan.FromSeconds(2));
        await using var events = replica.Watch.WatchAsync(World.Ask(0).Caller, grant.Holder.Id, null, From, default).GetAsyncEnumerator(default);
        (await NextAsync(world, events)).ShouldBeOfType<HolderEvent.StillHere>();
        (await NextAsync(world, events)).ShouldBeOfType<HolderEvent.StillHere>();
        proof.WhyNot = null;
        HolderEvent next;
        do next = await NextAsync(world, events);
        while (next is HolderEvent.StillHere);
        next.ShouldBeOfType<HolderEvent.Renewed>();
    }

    [Fact]
    public async Task L7_A_caller_in_line_is_handed_nothing_once_it_is_proven_no_more_and_leaves_its_place()
    {
        await using var world = new World(capacity: 4);
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.AskAsync(World.Ask(0, 4)), Minute)).Grant.ShouldNotBeNull();
        var waiting = replica.AskAsync(World.Ask(1, 4, wait: TimeSpan.FromSeconds(20)) with { Origin = From });
        await world.PassAsync(() => world.Ledger.Budgets.BudgetAsync("orders", [], default).AsTask().GetAwaiter().GetResult().Waiting == 1, Minute);

        proof.WhyNot = new(RefusalCode.Unauthenticated, "withdrawn");
        (await world.PassAsync(waiting, Minute)).Refusal.ShouldNotBeNull().Code.ShouldBe(RefusalCode.Unauthenticated);
        (await world.Ledger.Budgets.BudgetAsync("orders", [], default)).Waiting.ShouldBe(0);
    }

    [Fact]
    public async Task L7_A_caller_that_waits_for_a_lease_to_be_issued_is_not_handed_it_once_it_is_proven_no_more()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var held = new TaskCompletionSource();
        world.Issuer.Before = () => held.Task;
        var waiting = replica.AskAsync(World.Ask(1) with { Origin = From });
        await world.PassAsync(() => proof.Asked > 0, Minute);
        proof.WhyNot = new(RefusalCode.Unauthenticated, "withdrawn");
        held.SetResult();
        (await world.PassAsync(waiting, Minute)).Refusal.ShouldNotBeNull().Code.ShouldBe(RefusalCode.Unauthenticated);
    }

    [Fact]
    public async Task L7_A_holder_that_stays_and_waits_for_a_ledger_that_lost_records_gets_no_more_time_once_it_is_proven_no_more()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        world.Flush();
        var staying = replica.Holders.StayAsync(World.Ask(0).Caller, grant.Holder.Id, From, default).AsTask();
        await world.PassAsync(() => proof.Asked > 0, Minute);
        proof.WhyNot = new(RefusalCode.Unauthenticated, "withdrawn");
        (await world.PassAsync(staying, Minute)).Refusal.ShouldNotBeNull().Code.ShouldBe(RefusalCode.Unauthenticated);
    }

    private static async Task<HolderEvent> NextAsync(World world, IAsyncEnumerator<HolderEvent> events)
    {
        (await world.PassAsync(events.MoveNextAsync().AsTask(), TimeSpan.FromMinutes(10))).ShouldBeTrue();
        return events.Current;
    }

    private sealed class Proof : IStandingProof
    {
        private int asked;

        public Refusal? WhyNot { get; set; }

        public int Asked => Volatile.Read(ref asked);

        public ValueTask<Refusal?> WhyNotAsync(CancellationToken cancellation)
        {
            Interlocked.Increment(ref asked);
            return new(WhyNot);
        }
    }
}
