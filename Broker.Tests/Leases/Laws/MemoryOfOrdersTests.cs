using Broker.Core.Ledger.InProcess;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>Every replica hears that a lease was ordered to be revoked, and remembers it as it remembers the lease.</summary>
public sealed class MemoryOfOrdersTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task L3_A_login_that_was_ordered_to_be_revoked_through_another_replica_is_not_granted_from_memory(bool signalIsLost)
    {
        await using var world = new World();
        var (a, b) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var grant = (await world.PassAsync(a.AskAsync(World.Ask(0)), Minute)).Grant.ShouldNotBeNull();
        a.Link.LosesSignals = signalIsLost;

        (await world.PassAsync(b.Leases.RevokeAsync(World.Ask(0).Caller, grant.Lease.Id, "a leak", World.From, default).AsTask(), Minute)).ShouldBeNull();
        if (signalIsLost) await world.PassAsync(Second / 2);
        a.Link.Cut();

        (await world.PassAsync(a.AskAsync(World.Ask(0)), Minute)).Refusal.ShouldNotBeNull().Code.ShouldBe(RefusalCode.LedgerUnavailable);
    }

    [Fact]
    public async Task L3_A_grant_that_is_answered_after_its_login_was_ordered_to_be_revoked_is_not_granted_from_memory_either()
    {
        await using var world = new World();
        var (a, b) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var grant = (await world.PassAsync(a.AskAsync(World.Ask(0)), Minute)).Grant.ShouldNotBeNull();
        var (hold, isHeld) = (new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), false);
        a.Link.OnTheWayBack = decision =>
        {
            if (decision.Name != "claim") return Task.CompletedTask;
            isHeld = true;
            return hold.Task;
        };
        var late = a.AskAsync(World.Ask(1));
        await world.PassAsync(() => isHeld, Minute);
        (await world.PassAsync(b.Leases.RevokeAsync(World.Ask(0).Caller, grant.Lease.Id, "a leak", World.From, default).AsTask(), Minute)).ShouldBeNull();
        hold.SetResult();
        await world.PassAsync(late, Minute);
        await world.PassAsync(11 * Second);
        a.Link.Cut();

        (await world.PassAsync(a.AskAsync(World.Ask(1)), Minute)).Refusal.ShouldNotBeNull().Code.ShouldBe(RefusalCode.LedgerUnavailable);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task L8_An_order_to_revoke_that_the_ledger_lost_is_carried_out(bool emptied)
    {
        await using var world = new World();
        var (a, b) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var grant = (await world.PassAsync(a.AskAsync(World.Ask(0)), Minute)).Grant.ShouldNotBeNull();
        await world.PassAsync(Second);
        var copy = world.Store.Copy();
        world.Issuer.RevokeFailure = new(Broker.Core.Issuing.IssuerFailure.Unavailable, "the issuer is away");
        (await world.PassAsync(b.Leases.RevokeAsync(World.Ask(0).Caller, grant.Lease.Id, "a leak", World.From, default).AsTask(), Minute)).ShouldBeNull();

        world.Store.PutBack(emptied ? InProcessLedgerStore.Empty() : copy);
        await world.PassAsync(20 * Second);
        world.Issuer.RevokeFailure = null;

        await world.PassAsync(() => !world.Issuer.Users.ContainsKey(grant.Credentials.Login.Username), 3 * Minute);
        (await world.LeasesAsync()).ShouldNotContain(lease => lease.Id == grant.Lease.Id && lease.State == LeaseState.Active);
    }
}
