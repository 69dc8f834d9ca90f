using Broker.Core.Databases;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>Logins that are tried, and what follows when one fails.</summary>
public sealed class VerificationTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task L3_A_lease_is_verified_every_so_often_and_the_time_told_is_true()
    {
        await using var world = new World(World.OrdersApi with { VerifyEvery = TimeSpan.FromMinutes(5) });
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        for (var time = 0; time < 2; time++)
        {
            world.Clock.Advance(TimeSpan.FromMinutes(7));
            await world.LeaseAsync(lease => lease.VerifiedAt > grant.Lease.VerifiedAt, Minute);
            grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
            (world.Clock.GetUtcNow() - grant.Lease.VerifiedAt).ShouldBeLessThan(TimeSpan.FromSeconds(10));
        }

        replica.Counted("broker.verifications", "verified").ShouldBeGreaterThanOrEqualTo(2);
        replica.Counted("broker.duties", "done").ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task L3_A_lease_is_due_to_be_verified_at_least_as_often_as_promised()
    {
        var every = TimeSpan.FromSeconds(10);
        await using var world = new World(World.OrdersApi with { VerifyEvery = every });
        var replica = await world.ReplicaAsync();
        var verified = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!.Lease.VerifiedAt;
        for (var time = 0; time < 10; time++)
        {
            var before = verified;
            verified = (await world.LeaseAsync(lease => lease.VerifiedAt > before, Minute)).VerifiedAt!.Value;
            await world.PassAsync(() => replica.Last("verify") is { UnderWay: false, Late.Ticks: 0 } duty && duty.DueAt > verified, Minute);
            (replica.Last("verify").DueAt - verified).ShouldBeLessThanOrEqualTo(every);
        }
    }

    [Fact]
    public async Task L3_A_login_that_stops_working_is_followed_by_another_and_its_holders_move_at_once()
    {
        await using var world = new World(World.OrdersApi with { VerifyEvery = TimeSpan.FromMinutes(1) }, capacity: 5);
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0, 5)), Minute)).Grant!;
        world.Engine.RefusedUser = grant.Credentials.Login.Username;
        world.Clock.Advance(TimeSpan.FromMinutes(2));
        var broken = await world.LeaseAsync(lease => lease.Id == grant.Lease.Id && lease.State == LeaseState.Retiring, Minute);
        broken.Reason.ShouldContain("refuses its login");
        await world.LeaseAsync(lease => lease.Id != grant.Lease.Id && lease.State == LeaseState.Active, Minute);
        var moved = (await world.PassAsync(replica.RenewAsync(grant), Minute)).Grant!;
        (moved.Overlap, moved.Lease.Id == grant.Lease.Id).ShouldBe((TimeSpan.Zero, false), "on a full budget, but nothing is lost by closing what does not work");
        await world.PassAsync(() => world.Issuer.Users.Count == 1, TimeSpan.FromMinutes(3));
        (replica.Counted("broker.verifications", "failed"), replica.Counted("broker.verifications", "refused")).ShouldBe((1, 1), "once may be the database's own trouble");
    }

    [Fact]
    public async Task L4_A_login_that_the_database_refuses_once_is_tried_again_and_its_lease_lives_on()
    {
        await using var world = new World(World.OrdersApi with { VerifyEvery = TimeSpan.FromMinutes(1) });
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        world.Engine.RefusedUser = grant.Credentials.Login.Username;
        world.Clock.Advance(TimeSpan.FromMinutes(2));
        await world.PassAsync(() => replica.Failures("verify") > 0, Minute);
        world.Engine.RefusedUser = null;
        await world.PassAsync(() => replica.Failures("verify") == 0, Minute);
        (await world.LeasesAsync()).ShouldHaveSingleItem().State.ShouldBe(LeaseState.Active);
    }

    [Fact]
    public async Task L4_A_single_refusal_after_another_failure_is_tried_again_too()
    {
        await using var world = new World(World.OrdersApi with { VerifyEvery = TimeSpan.FromMinutes(1) });
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        world.Engine.LoginFailure = new(DatabaseFailure.Unavailable, "restarting");
        world.Clock.Advance(TimeSpan.FromMinutes(2));
        await world.PassAsync(() => replica.Failures("verify") > 0, Minute);
        var refusals = 0;
        world.Engine.OnLogin = () => Interlocked.Increment(ref refusals) == 1
            ? throw new DatabaseException(DatabaseFailure.LoginRefused, "the proxy has not read its list of users yet")
            : Task.CompletedTask;
        world.Engine.LoginFailure = null;

        await world.PassAsync(() => Volatile.Read(ref refusals) > 1 && replica.Failures("verify") == 0, Minute);

        var lease = (await world.LeasesAsync()).ShouldHaveSingleItem();
        (lease.Id, lease.State).ShouldBe((grant.Lease.Id, LeaseState.Active));
    }

    [Fact]
    public async Task L3_When_what_an_issuers_leases_hang_on_is_another_they_are_tried_at_once_and_only_then()
    {
        await using var world = new World(World.OrdersApi with { Issuer = "vault", VerifyEvery = TimeSpan.FromHours(1) });
        world.Issuer.Generation = "one";
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        await world.PassAsync(() => world.Issuer.KeptAlive >= 2, Minute);
        (await world.LeasesAsync()).ShouldHaveSingleItem().VerifiedAt.ShouldBe(grant.Lease.VerifiedAt);

        world.Issuer.Generation = "two";
        var verified = (await world.LeaseAsync(lease => lease.VerifiedAt > grant.Lease.VerifiedAt, TimeSpan.FromSeconds(20))).VerifiedAt;
        await world.PassAsync(() => world.Issuer.KeptAlive >= 5, Minute);
        (await world.LeasesAsync()).ShouldHaveSingleItem().VerifiedAt.ShouldBe(verified);
    }

    [Fact]
    public async Task A_database_that_is_away_says_nothing_about_the_login()
    {
        await using var world = new World(World.OrdersApi with { VerifyEvery = TimeSpan.FromMinutes(1) });
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        world.Engine.LoginFailure = new(DatabaseFailure.Unavailable, "restarting");
        world.Clock.Advance(TimeSpan.FromMinutes(2));
        await world.PassAsync(() => replica.Failing("verify") is not null, TimeSpan.FromMinutes(3));
        replica.Counted("broker.verifications", "failed").ShouldBeGreaterThanOrEqualTo(3);
        replica.Counted("broker.duties", "failed").ShouldBeGreaterThanOrEqualTo(3);
        (await world.LeasesAsync()).ShouldHaveSingleItem().State.ShouldBe(LeaseState.Active);
        world.Engine.LoginFailure = null;
        await world.PassAsync(() => replica.Failing("verify") is null, Minute);
        (await world.PassAsync(replica.RenewAsync(grant), Minute)).Grant!.Lease.Id.ShouldBe(grant.Lease.Id);
    }
}
