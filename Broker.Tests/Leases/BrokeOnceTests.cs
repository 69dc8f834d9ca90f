using Broker.Core.Ledger;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>A test for each fault that the simulation found, named for what broke.</summary>
public sealed class BrokeOnceTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task L12_A_caller_that_waits_for_a_lease_that_it_fills_books_no_other_each_time_it_looks()
    {
        await using var world = new World(World.OrdersApi with { MaxHoldersPerLease = 1 });
        var hold = new TaskCompletionSource();
        world.Issuer.Before = () => hold.Task;
        var replica = await world.ReplicaAsync();
        var waiting = replica.AskAsync(World.Ask(0, wait: TimeSpan.FromSeconds(30)));
        await world.PassAsync(TimeSpan.FromSeconds(5));
        hold.SetResult();
        (await world.PassAsync(waiting, Minute)).Grant.ShouldNotBeNull();
        world.Issuer.Asked.Count.ShouldBe(1);
    }

    [Fact]
    public async Task L4_A_lease_whose_news_reaches_the_ledger_late_does_not_live_longer_there_than_with_its_issuer()
    {
        await using var world = new World();
        var pace = World.Orders.Issuing;
        var claim = new Claim("r.h", new("r", 0, Minute, 500, Minute), "r", 1, 1, Minute, Minute, ClaimKind.Claim, "c");
        await world.Ledger.Budgets.SampleAsync("orders", 10, 10, 0, 10, 0, Minute, default);
        var order = (await world.Ledger.Claims.ClaimAsync("orders", pace, 10, [claim], default))[0].ShouldBeOfType<ClaimAnswer.Issue>();
        var go = (await world.Ledger.Issues.BeginAsync("orders", order.Lease, order.Fence, "user", pace, default)).ShouldBeOfType<BeginAnswer.Go>();
        world.Clock.Advance(TimeSpan.FromSeconds(3));
        await world.Ledger.Issues.IssuedAsync("orders", order.Lease, order.Fence, "id", "user", "sealed", TimeSpan.FromHours(1), go.Now, true, default);
        (await world.Ledger.Leases.LeaseAsync("orders", order.Lease, default))!.ExpiresAt.ShouldBe(go.Now + TimeSpan.FromHours(1));
    }

    [Fact]
    public async Task L9_A_renewal_that_hangs_is_given_up_by_the_injected_clock()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute);
        var givenUp = false;
        world.Issuer.BeforeRenew = async cancellation =>
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, world.Clock, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            givenUp = true;
            cancellation.ThrowIfCancellationRequested();
        };
        world.Clock.Advance(TimeSpan.FromMinutes(21));
        await world.PassAsync(() => givenUp, Minute);
        await world.PassAsync(() => replica.Failures("renew") == 1, Minute);
        replica.Last("renew").Why.ShouldContain("No answer within 12 seconds");
    }

    [Fact]
    public async Task L4_A_renewal_near_a_leases_longest_life_takes_nothing_back_of_what_was_promised()
    {
        await using var world = new World(World.OrdersApi with { LeaseMaxTtl = TimeSpan.FromMinutes(90) });
        world.Issuer.Life = TimeSpan.FromHours(2);
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        world.Clock.Advance(TimeSpan.FromMinutes(25));
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant.ShouldNotBeNull();
        world.Clock.Advance(TimeSpan.FromMinutes(20));
        await world.PassAsync(
            () => world.Ledger.Leases.LeaseAsync("orders", grant.Lease.Id, default).AsTask() is { IsCompletedSuccessfully: true } read && !Completed(read)!.Renewable, Minute);
        (await world.Ledger.Leases.LeaseAsync("orders", grant.Lease.Id, default))!.ExpiresAt.ShouldBe(grant.Lease.ExpiresAt);
    }

    private static T Completed<T>(Task<T> task) => task.GetAwaiter().GetResult();
}
