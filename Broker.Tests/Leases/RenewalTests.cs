using Broker.Core.Issuing;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>Leases that get more time from their issuer, or less than they had, or none.</summary>
public sealed class RenewalTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task L4_A_renewal_that_fails_is_tried_again()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        world.Issuer.RenewFailure = new(IssuerFailure.Unavailable, "Vault is sealed");
        world.Clock.Advance(25 * Minute);
        await world.PassAsync(() => replica.Failures("renew") > 0, Minute);
        world.Issuer.RenewFailure = null;
        (await world.LeaseAsync(lease => lease.ExpiresAt > grant.Lease.ExpiresAt, Minute)).Id.ShouldBe(grant.Lease.Id);
        replica.Counted("broker.renewals", "failed").ShouldBeGreaterThan(0);
        replica.Counted("broker.renewals", "renewed").ShouldBe(1);
    }

    [Fact]
    public async Task L4_A_lease_that_is_given_less_than_its_life_is_near_its_last_end_and_is_followed()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        world.Issuer.MostRenewed = 50 * Minute;
        world.Clock.Advance(25 * Minute);
        var renewed = await world.LeaseAsync(lease => !lease.Renewable, Minute);
        renewed.Id.ShouldBe(grant.Lease.Id);
        (renewed.ExpiresAt!.Value - world.Clock.GetUtcNow()).ShouldBeInRange(49 * Minute, 50 * Minute);
        for (var time = 0; time < 4; time++)
        {
            (await world.PassAsync(replica.RenewAsync(grant), Minute)).Grant.ShouldNotBeNull("it is held");
            world.Clock.Advance(10 * Minute);
        }

        await world.LeaseAsync(lease => lease.Id != grant.Lease.Id && lease.State == LeaseState.Active, Minute);
    }

    [Fact]
    public async Task L4_A_renewal_that_comes_late_is_followed_by_another_even_where_the_lease_is_renewable_no_more()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        world.Issuer.MostRenewed = 50 * Minute;
        world.Clock.Advance(25 * Minute);
        var renewed = await world.LeaseAsync(lease => !lease.Renewable, Minute);
        var asked = new List<TimeSpan>();
        world.Issuer.OnRenew = asked.Add;

        (await world.Ledger.Leases.RenewedAsync("orders", renewed.Id, 50 * Minute, renewed.ReadAt - (10 * Minute), true, 20 * Minute, 0.5, default)).ShouldBeFalse();
        await world.PassAsync(() => asked.Count > 0, Minute);

        asked.ShouldHaveSingleItem().ShouldBeInRange(renewed.ExpiresAt!.Value - renewed.ReadAt - Minute, renewed.ExpiresAt.Value - renewed.ReadAt, "to the end that was announced");
        (await world.LeaseAsync(lease => lease.Id == grant.Lease.Id, Minute)).ExpiresAt.ShouldBe(renewed.ExpiresAt);
    }

    [Fact]
    public async Task L4_A_renewal_that_comes_late_takes_no_end_back_of_a_lease_that_takes_holders_no_more()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant.ShouldNotBeNull();
        var asked = new List<TimeSpan>();
        world.Issuer.OnRenew = asked.Add;
        world.Clock.Advance(25 * Minute);
        await world.PassAsync(() => asked.Count > 0, Minute);
        await world.PassAsync(replica.Leases.RotateAsync(World.Ask(0).Caller, "orders-api", "a test", World.From, default).AsTask(), Minute);
        var retiring = await world.LeaseAsync(lease => lease.State == LeaseState.Retiring, Minute);
        asked.Clear();

        (await world.Ledger.Leases.RenewedAsync("orders", retiring.Id, 10 * Minute, retiring.ReadAt - (10 * Minute), true, 20 * Minute, 0.5, default)).ShouldBeFalse();
        await world.PassAsync(() => asked.Count > 0, Minute);

        asked.ShouldHaveSingleItem().ShouldBeInRange(retiring.ExpiresAt!.Value - retiring.ReadAt - Minute, retiring.ExpiresAt.Value - retiring.ReadAt, "to the end that was announced");
    }

    [Fact]
    public async Task L4_A_lease_that_its_issuer_lost_is_followed_at_the_next_renewal()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        world.Issuer.Users.Clear();
        world.Clock.Advance(TimeSpan.FromMinutes(25));
        await world.LeaseAsync(lease => lease.Id != grant.Lease.Id && lease.State == LeaseState.Active, Minute);
        (await world.PassAsync(replica.RenewAsync(grant), Minute)).Grant!.Lease.Id.ShouldNotBe(grant.Lease.Id);
        replica.Counted("broker.renewals", "lease-unknown").ShouldBe(1);
    }
}
