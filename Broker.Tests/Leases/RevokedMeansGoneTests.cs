using Broker.Core.Databases;
using Broker.Core.Issuing;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>A lease is Revoked when its user and its sessions are gone; until then its state says what remains.</summary>
public sealed class RevokedMeansGoneTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);
    private static readonly DatabaseException MayNot = new(DatabaseFailure.StatementRefused, "only roles with the ADMIN option may do that");

    [Fact]
    public async Task An_order_that_could_not_end_the_sessions_is_not_carried_out_and_says_so()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        world.Engine.ShutOutFailure = MayNot;
        world.Engine.Sessions = user => user == grant.Credentials.Login.Username ? 1 : 0;

        await replica.Leases.RevokeAsync(World.Ask(0).Caller, grant.Lease.Id, "a test", World.From, default);
        await world.PassAsync(() => world.Issuer.Users.IsEmpty, Minute);
        var stuck = await world.LeaseAsync(lease => lease.State == LeaseState.RevokeFailed, TimeSpan.FromMinutes(5));

        stuck.Reason.ShouldStartWith("revoked by");
        stuck.Reason.ShouldContain("1 of its sessions are still active");
        stuck.Reason.ShouldContain("ADMIN option");

        // Somebody lets the administrator end sessions; an order has it tried at once.
        world.Engine.ShutOutFailure = null;
        world.Engine.Sessions = _ => 0;
        await replica.Leases.RevokeAsync(World.Ask(0).Caller, grant.Lease.Id, "a test", World.From, default);
        (await world.LeaseAsync(lease => lease.State == LeaseState.Revoked, Minute)).Reason.ShouldNotContain("still to be done");
    }

    [Fact]
    public async Task A_user_that_its_issuers_own_statements_leave_is_not_taken_for_gone()
    {
        // Vault answers 204 whatever its role's revocation_statements do (REVOKE ALL without a DROP, ALTER ROLE … NOLOGIN, SELECT 1).
        await using var world = new World(World.OrdersApi with { VaultPath = "database/creds/orders-api" });
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        var user = grant.Credentials.Login.Username;
        world.Engine.Found[user] = new(user, null, 0);

        await replica.Leases.RevokeAsync(World.Ask(0).Caller, grant.Lease.Id, "a test", World.From, default);
        var stuck = await world.LeaseAsync(lease => lease.State == LeaseState.RevokeFailed, TimeSpan.FromMinutes(5));

        world.Issuer.Users.ShouldBeEmpty();
        world.Engine.ShutOut.ShouldContain(user, "an order lets it in no more all the same");
        stuck.Reason.ShouldContain($"its user '{user}' is still in the database: have the revocation_statements of the role at database/creds/orders-api drop it");

        world.Engine.Found.TryRemove(user, out _);
        await replica.Leases.RevokeAsync(World.Ask(0).Caller, grant.Lease.Id, "a test", World.From, default);
        (await world.LeaseAsync(lease => lease.State == LeaseState.Revoked, Minute)).Reason.ShouldNotContain("still to be done");
    }

    [Fact]
    public async Task An_order_drops_the_user_and_ends_the_sessions_each_whatever_becomes_of_the_other()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        world.Issuer.RevokeFailure = new(IssuerFailure.Unavailable, "Vault is sealed");

        await replica.Leases.RevokeAsync(World.Ask(0).Caller, grant.Lease.Id, "a test", World.From, default);
        await world.PassAsync(() => !world.Engine.ShutOut.IsEmpty, Minute);

        world.Engine.ShutOut.ShouldContain(grant.Credentials.Login.Username);
        (await world.LeasesAsync()).ShouldHaveSingleItem().State.ShouldBe(LeaseState.Revoking);
    }

    [Fact]
    public async Task Sessions_that_may_go_on_keep_the_lease_revoking_until_their_pods_close_them()
    {
        await using var world = new World(World.OrdersApi with { IdleTtl = TimeSpan.Zero });
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        world.Engine.Sessions = _ => 3;
        await replica.Holders.ReleaseAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default);

        var waiting = await world.LeaseAsync(lease => lease.Reason.Contains("3 sessions", StringComparison.Ordinal), Minute);
        waiting.State.ShouldBe(LeaseState.Revoking);
        world.Issuer.Users.ShouldBeEmpty("the user is dropped all the same");
        await world.PassAsync(Minute);
        replica.Failing("revoke").ShouldBeNull("that is no failure");
        world.Engine.Sessions = _ => 2;
        await world.LeaseAsync(lease => lease.Reason.Contains("2 sessions", StringComparison.Ordinal), Minute);

        world.Engine.Sessions = _ => 0;
        (await world.LeaseAsync(lease => lease.State == LeaseState.Revoked, Minute)).Reason.ShouldNotContain("sessions");
        world.Engine.ShutOut.ShouldBeEmpty();
    }

    [Fact]
    public async Task An_order_ends_the_sessions_of_a_lease_whose_user_is_gone_already()
    {
        await using var world = new World(World.OrdersApi with { IdleTtl = TimeSpan.Zero });
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        world.Engine.Sessions = _ => world.Engine.ShutOut.IsEmpty ? 1 : 0;
        await replica.Holders.ReleaseAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default);
        await world.LeaseAsync(lease => lease.Reason.Contains("1 sessions", StringComparison.Ordinal), Minute);

        await replica.Leases.RevokeAsync(World.Ask(0).Caller, grant.Lease.Id, "a test", World.From, default);
        await world.LeaseAsync(lease => lease.State == LeaseState.Revoked, TimeSpan.FromSeconds(3));
        world.Engine.ShutOut.ShouldHaveSingleItem();
    }

    [Fact]
    public async Task A_database_that_does_not_tell_is_not_waited_for_and_the_reason_says_so()
    {
        await using var world = new World(World.OrdersApi with { IdleTtl = TimeSpan.Zero });
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        world.Engine.Sessions = _ => null;
        await replica.Holders.ReleaseAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default);
        (await world.LeaseAsync(lease => lease.State == LeaseState.Revoked, Minute)).Reason.ShouldContain("does not report");
    }

    [Fact]
    public async Task L13_A_user_that_owns_something_is_shown_at_once_with_what_and_what_to_do()
    {
        await using var world = new World(World.OrdersApi with { IdleTtl = TimeSpan.Zero });
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        var owns = new DatabaseException(DatabaseFailure.StillOwns, "it owns function public.who()");
        world.Issuer.RevokeFailure = new(IssuerFailure.Refused, owns.Message, inner: owns);
        await replica.Holders.ReleaseAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default);

        var shown = await world.LeaseAsync(lease => lease.State == LeaseState.RevokeFailed, TimeSpan.FromSeconds(10));

        shown.Reason.ShouldContain("function public.who()");
        replica.Failures("revoke").ShouldBeLessThan(3, "a person has to look: it is not tried six times first");
    }

    [Fact]
    public async Task L13_A_dead_leftover_that_owns_something_is_shown_with_it_and_holds_up_no_other()
    {
        await using var world = new World(World.OrdersApi);
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant.ShouldNotBeNull();
        var dead = world.Clock.GetUtcNow().AddHours(-2);
        string Leave(char letter, string? owned)
        {
            var name = "b-orders-api-" + new string(letter, 16);
            world.Engine.Found[name] = new(name, dead, 0, owned is null ? 0 : 1, owned);
            if (owned is not null) world.Engine.Owns[name] = owned;
            return name;
        }

        var owning = Leave('a', "function public.who()");
        var plain = Leave('b', null);

        await world.PassAsync(() => replica.Leftovers.ListAsync("orders", default).AsTask().GetAwaiter().GetResult().Count > 0, TimeSpan.FromMinutes(4));
        var left = (await replica.Leftovers.ListAsync("orders", default)).ShouldHaveSingleItem();
        (left.Username, left.Owned, left.OwnedObjects).ShouldBe((owning, "function public.who()", 1));
        left.Problem.ShouldNotBeNull().ShouldContain("function public.who()");
        world.Engine.Found.Keys.ShouldNotContain(plain);
    }
}
