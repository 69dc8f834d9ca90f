using Broker.Core.Issuing;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>How the user of an ended lease is dropped.</summary>
public sealed class RevocationTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task An_order_to_revoke_a_lease_that_is_being_issued_is_not_answered_as_done()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var hold = new TaskCompletionSource();
        world.Issuer.Before = () => hold.Task;
        var asking = replica.AskAsync(World.Ask(0));
        await world.PassAsync(() => world.Issuer.Asked.Count == 1, Minute);
        var lease = (await world.LeasesAsync()).ShouldHaveSingleItem();

        var refusal = (await replica.Leases.RevokeAsync(World.Ask(0).Caller, lease.Id, "leaked", World.From, default)).ShouldNotBeNull();
        (refusal.Code, refusal.RetryAfter > TimeSpan.Zero).ShouldBe((RefusalCode.LeaseUnknown, true));

        hold.SetResult();
        (await world.PassAsync(asking, Minute)).Grant.ShouldNotBeNull();
        (await world.LeasesAsync()).ShouldHaveSingleItem().Shut.ShouldBeFalse("its sessions are not ended at its end");
        (await replica.Leases.RevokeAsync(World.Ask(0).Caller, lease.Id, "leaked", World.From, default)).ShouldBeNull();
        await world.LeaseAsync(left => left.State == LeaseState.Revoked, Minute);
        (await replica.Leases.RevokeAsync(World.Ask(0).Caller, lease.Id, "leaked", World.From, default)).ShouldBeNull("it is over");
    }

    [Fact]
    public async Task L5_A_revocation_that_the_database_refuses_is_tried_again_and_then_shown_with_its_own_words()
    {
        await using var world = new World(World.OrdersApi with { IdleTtl = TimeSpan.Zero });
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        world.Issuer.RevokeFailure = new(IssuerFailure.Refused, "role \"u\" cannot be dropped because some objects depend on it");
        await replica.Holders.ReleaseAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default);
        var stuck = await world.LeaseAsync(lease => lease.State == LeaseState.RevokeFailed, TimeSpan.FromMinutes(5));
        stuck.Reason.ShouldContain("some objects depend on it");
        stuck.Reason.ShouldContain(grant.Credentials.Login.Username);
        await world.PassAsync(() => replica.Failures("revoke") == 6, Minute);
        replica.Failing("revoke").ShouldNotBeNull().Record.Why.ShouldContain("some objects depend on it");
        replica.Counted("broker.revocations", "failed").ShouldBe(6);

        // It has been shown by now, and is tried only every half hour.
        world.Clock.Advance(TimeSpan.FromMinutes(20));
        await world.PassAsync(TimeSpan.FromSeconds(3));
        replica.Failures("revoke").ShouldBe(6);

        // Mended: it goes by itself, or at once by an operator's order.
        world.Issuer.RevokeFailure = null;
        (await replica.Leases.RevokeAsync(World.Ask(0).Caller, stuck.Id, "a test", World.From, default)).ShouldBeNull();
        await world.LeaseAsync(lease => lease.State == LeaseState.Revoked, Minute);
        world.Issuer.Users.ShouldBeEmpty();
        replica.Failing("revoke").ShouldBeNull();
        replica.Counted("broker.revocations", "revoked").ShouldBe(1);
    }

    [Theory]
    [InlineData(false, false, 0)]
    [InlineData(true, false, 1)]
    [InlineData(false, true, 1)]
    public async Task Sessions_are_ended_before_the_user_goes_where_the_role_or_an_operator_says_so(bool role, bool ordered, int times)
    {
        await using var world = new World(World.OrdersApi with { IdleTtl = TimeSpan.Zero, EndSessions = role });
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        if (ordered) await replica.Leases.RevokeAsync(World.Ask(0).Caller, grant.Lease.Id, "a test", World.From, default);
        else await replica.Holders.ReleaseAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default);
        await world.PassAsync(() => world.Issuer.Users.IsEmpty, Minute);
        world.Engine.ShutOut.Count.ShouldBe(times);
    }
}
