using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Issuing;
using Broker.Core.Leases;
using Broker.Core.Leases.Operators;
using Broker.Core.Ledger;
using Broker.Core.Words;
using Microsoft.AspNetCore.DataProtection;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

public sealed class UpkeepTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);
    private static readonly Origin From = new("t", null);

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
        var moved = (await world.PassAsync(RenewAsync(replica, grant), Minute)).Grant!;
        (moved.Overlap, moved.Lease.Id == grant.Lease.Id).ShouldBe((TimeSpan.Zero, false), "on a full budget, but nothing is lost by closing what does not work");
        await world.PassAsync(() => world.Issuer.Users.Count == 1, TimeSpan.FromMinutes(3));
    }

    [Fact]
    public async Task L4_A_login_that_the_database_refuses_once_is_tried_again_and_its_lease_lives_on()
    {
        await using var world = new World(World.OrdersApi with { VerifyEvery = TimeSpan.FromMinutes(1) });
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        world.Engine.RefusedUser = grant.Credentials.Login.Username;
        world.Clock.Advance(TimeSpan.FromMinutes(2));
        await world.PassAsync(() => Failures(replica, "verify") > 0, Minute);
        world.Engine.RefusedUser = null;
        await world.PassAsync(() => Failures(replica, "verify") == 0, Minute);
        (await world.LeasesAsync()).ShouldHaveSingleItem().State.ShouldBe(LeaseState.Active);
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
        await world.PassAsync(() => Failing(replica, "verify") is not null, TimeSpan.FromMinutes(3));
        (await world.LeasesAsync()).ShouldHaveSingleItem().State.ShouldBe(LeaseState.Active);
        world.Engine.LoginFailure = null;
        await world.PassAsync(() => Failing(replica, "verify") is null, Minute);
        (await world.PassAsync(RenewAsync(replica, grant), Minute)).Grant!.Lease.Id.ShouldBe(grant.Lease.Id);
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
        (await world.PassAsync(RenewAsync(replica, grant), Minute)).Grant!.Lease.Id.ShouldNotBe(grant.Lease.Id);
    }

    [Fact]
    public async Task L5_A_revocation_that_the_database_refuses_is_tried_again_and_then_shown_with_its_own_words()
    {
        await using var world = new World(World.OrdersApi with { IdleTtl = TimeSpan.Zero });
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        world.Issuer.RevokeFailure = new(IssuerFailure.Refused, "role \"u\" cannot be dropped because some objects depend on it");
        await replica.Holders.ReleaseAsync(World.Ask(0).Caller, grant.Holder.Id, From, default);
        var stuck = await world.LeaseAsync(lease => lease.State == LeaseState.RevokeFailed, TimeSpan.FromMinutes(5));
        stuck.Reason.ShouldContain("some objects depend on it");
        stuck.Reason.ShouldContain(grant.Credentials.Login.Username);
        Failing(replica, "revoke").ShouldNotBeNull().Record.Failures.ShouldBeGreaterThanOrEqualTo(6);

        // Mended: it goes by itself, or at once by an operator's order.
        world.Issuer.RevokeFailure = null;
        (await replica.Leases.RevokeAsync(World.Ask(0).Caller, stuck.Id, "a test", From, default)).ShouldBeNull();
        await world.LeaseAsync(lease => lease.State == LeaseState.Revoked, Minute);
        world.Issuer.Users.ShouldBeEmpty();
        Failing(replica, "revoke").ShouldBeNull();
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
        if (ordered) await replica.Leases.RevokeAsync(World.Ask(0).Caller, grant.Lease.Id, "a test", From, default);
        else await replica.Holders.ReleaseAsync(World.Ask(0).Caller, grant.Holder.Id, From, default);
        await world.PassAsync(() => world.Issuer.Users.IsEmpty, Minute);
        world.Engine.ShutOut.Count.ShouldBe(times);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task L5_What_a_lost_answer_made_is_found_by_the_name_that_was_proposed_or_among_the_issuers_leases(bool named)
    {
        var role = named ? World.OrdersApi : World.OrdersApi with { VaultPath = "database/creds/orders", VaultPathExclusive = true };
        await using var world = new World(role);
        world.Issuer.ChoosesNames = !named;
        var replica = await world.ReplicaAsync();
        world.Issuer.AfterIssue = new(IssuerFailure.AnswerLost, "the connection broke");
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Refusal!.Code.ShouldBe(RefusalCode.IssuerUnavailable);
        world.Issuer.AfterIssue = null;
        world.Issuer.Users.Count.ShouldBe(1, "the user that nobody was told of");
        world.Clock.Advance(TimeSpan.FromSeconds(2));
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(1, wait: TimeSpan.FromSeconds(30))), Minute)).Grant!;

        await world.PassAsync(() => world.Issuer.Users.Count == 1, TimeSpan.FromMinutes(4));
        world.Issuer.Users.Keys.ShouldHaveSingleItem().ShouldBe(grant.Credentials.Login.Username, "what is held is not what was lost");
    }

    [Fact]
    public async Task L4_Who_looks_for_what_a_lost_answer_made_touches_no_user_whose_answer_is_on_its_way()
    {
        await using var world = new World(
            World.OrdersApi with { VaultPath = "database/creds/orders", VaultPathExclusive = true, Sharing = SharingScope.Holder });
        world.Issuer.ChoosesNames = true;
        var replica = await world.ReplicaAsync();
        world.Issuer.AfterIssue = new(IssuerFailure.AnswerLost, "the connection broke");
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Refusal!.Code.ShouldBe(RefusalCode.IssuerUnavailable);
        world.Issuer.AfterIssue = null;
        var looked = (await world.LeasesAsync()).ShouldHaveSingleItem().CreatedAt + new WaitingSettings().IssueDeadline + Minute;
        world.Clock.Advance(looked - world.Clock.GetUtcNow() - TimeSpan.FromSeconds(2));

        var arrives = new TaskCompletionSource();
        world.Issuer.After = () => arrives.Task;
        var asking = replica.AskAsync(World.Ask(1, wait: TimeSpan.FromSeconds(30)));
        await world.PassAsync(() => world.Issuer.Made == 2, TimeSpan.FromSeconds(1));
        await world.PassAsync(() => world.Clock.GetUtcNow() > looked + TimeSpan.FromSeconds(2), Minute);
        arrives.SetResult();
        var grant = (await world.PassAsync(asking, Minute)).Grant!;
        await world.PassAsync(() => world.Issuer.Users.Count <= 1, TimeSpan.FromMinutes(2));
        world.Issuer.Users.Keys.ShouldHaveSingleItem().ShouldBe(grant.Credentials.Login.Username);
    }

    [Fact]
    public async Task L5_What_an_issuer_makes_long_after_its_answer_was_lost_is_found_too()
    {
        await using var world = new World(World.OrdersApi with { VaultPath = "database/creds/orders", VaultPathExclusive = true });
        world.Issuer.ChoosesNames = true;
        world.Issuer.Failure = new(IssuerFailure.AnswerLost, "the connection broke");
        var replica = await world.ReplicaAsync();
        await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute);
        world.Clock.Advance(TimeSpan.FromSeconds(50));
        var late = world.Clock.GetUtcNow() + TimeSpan.FromSeconds(2);
        await world.PassAsync(() => world.Clock.GetUtcNow() > late, Minute);
        world.Issuer.Users["late"] = late;
        await world.PassAsync(() => world.Issuer.Users.IsEmpty, Minute);
    }

    [Fact]
    public async Task L5_A_user_whose_replica_went_away_before_it_could_say_so_is_dropped_by_another()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        await world.ReplicaAsync();
        world.Issuer.AfterIssue = new(IssuerFailure.AnswerLost, "it went away");
        world.Issuer.Before = () =>
        {
            replica.Link.Cut();
            return Task.CompletedTask;
        };
        await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute);
        await world.PassAsync(() => world.Issuer.Made == 1 && world.Issuer.Users.IsEmpty, TimeSpan.FromMinutes(2));
    }

    [Fact]
    public async Task L5_Where_others_use_Vaults_path_too_a_lost_answer_is_shown_and_nobody_elses_lease_is_touched()
    {
        await using var world = new World(World.OrdersApi with { VaultPath = "database/creds/orders" });
        world.Issuer.ChoosesNames = true;
        var replica = await world.ReplicaAsync();
        world.Issuer.AfterIssue = new(IssuerFailure.AnswerLost, "the connection broke");
        await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute);
        world.Clock.Advance(TimeSpan.FromMinutes(3));
        await world.LeaseAsync(lease => lease.State == LeaseState.Unknown, Minute);
        world.Issuer.Users.Count.ShouldBe(1);
    }

    [Fact]
    public async Task L5_Only_a_leftover_that_could_long_log_in_no_more_and_has_no_session_is_dropped_unasked()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant.ShouldNotBeNull("the ledger's time is read with its leases");
        var now = world.Clock.GetUtcNow();
        string Leave(char letter, DateTimeOffset? until, int open)
        {
            var name = "b-orders-api-" + new string(letter, 16);
            world.Engine.Found[name] = new(name, until, open);
            return name;
        }

        Leave('a', now.AddHours(-2), 0);
        string[] others = [Leave('b', now.AddHours(-2), 1), Leave('c', now.AddMinutes(-30), 0), Leave('d', now.AddHours(1), 0), Leave('e', null, 0)];

        await world.PassAsync(() => replica.Leftovers.ListAsync("orders", default).AsTask().GetAwaiter().GetResult().Count > 0, TimeSpan.FromMinutes(4));
        (await replica.Leftovers.ListAsync("orders", default)).Select(left => left.Username).ShouldBe(others, ignoreOrder: true);
        world.Engine.Found.Keys.ShouldBe(others, ignoreOrder: true);
    }

    [Fact]
    public async Task L5_Users_that_no_lease_knows_are_shown_and_an_operator_can_drop_them()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var ours = "b-orders-api-abcdefghijklmnop";
        world.Engine.Found[ours] = new(ours, world.Clock.GetUtcNow().AddHours(1), 2, 7);
        world.Engine.Found["b-orders-api-x"] = new("b-orders-api-x", null, 0);
        await world.PassAsync(() => replica.Leftovers.ListAsync(null, default).AsTask().GetAwaiter().GetResult().Count == 1, TimeSpan.FromMinutes(4));
        var left = (await replica.Leftovers.ListAsync("orders", default)).ShouldHaveSingleItem();
        (left.Username, left.Role, left.OpenConnections, left.OwnedObjects).ShouldBe((ours, "orders-api", 2, 7));

        (await replica.Leftovers.DropAsync(World.Ask(0).Caller, "orders", "b-orders-api-x", "a test", From, default))!.Code.ShouldBe(RefusalCode.LeaseUnknown);
        (await replica.Leftovers.DropAsync(World.Ask(0).Caller, "orders", ours, "a test", From, default)).ShouldBeNull();
        world.Engine.Found.ShouldNotContainKey(ours);
        world.Engine.ShutOut.ShouldContain(ours);
        (await replica.Leftovers.ListAsync(null, default)).ShouldBeEmpty();
        world.Engine.Found.Count.ShouldBe(1);
    }

    [Fact]
    public async Task L8_A_flushed_ledger_is_told_by_the_replicas_what_they_granted_and_grants_nothing_meanwhile()
    {
        await using var world = new World(capacity: 10);
        var replicas = new[] { await world.ReplicaAsync(), await world.ReplicaAsync() };
        var one = (await world.PassAsync(replicas[0].AskAsync(World.Ask(0, 4)), Minute)).Grant!;
        var two = (await world.PassAsync(replicas[1].AskAsync(World.Ask(1, 4)), Minute)).Grant!;
        world.Flush();

        // Two of the four connections that each was promised are open: the other two may be opened at any moment.
        world.Engine.Users.Add(new(one.Credentials.Login.Username, 4, 4));
        var greedy = (await world.PassAsync(replicas[0].AskAsync(World.Ask(2, 6, wait: TimeSpan.FromSeconds(20))), Minute)).Refusal!;
        greedy.Code.ShouldBe(RefusalCode.BudgetExhausted);
        (await world.PassAsync(replicas[0].AskAsync(World.Ask(3, 2, wait: TimeSpan.FromSeconds(20))), Minute)).Grant.ShouldNotBeNull();
        (await world.PassAsync(RenewAsync(replicas[1], one), Minute)).Grant!.Lease.Id.ShouldBe(one.Lease.Id);
        (await world.PassAsync(replicas[0].Holders.RenewAsync(World.Ask(1).Caller, two.Holder.Id, From, default).AsTask(), Minute)).Grant!.Connections.ShouldBe(4);
        world.Issuer.Made.ShouldBe(1, "the lease was remembered too");
    }

    [Fact]
    public async Task L8_A_lease_that_is_put_back_ends_when_it_was_announced_to_end()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        world.Clock.Advance(TimeSpan.FromMinutes(10));
        world.Flush();
        var back = await world.LeaseAsync(lease => lease.Id == grant.Lease.Id, Minute);
        (back.ExpiresAt!.Value - grant.Lease.ExpiresAt).Duration().ShouldBeLessThan(TimeSpan.FromSeconds(1));
    }

    [Fact]
    public async Task L3_A_ledger_that_fell_back_to_before_a_revocation_gives_nobody_new_the_lease_whose_user_is_gone()
    {
        await using var world = new World(World.OrdersApi with { VerifyEvery = TimeSpan.Zero });
        var replica = await world.ReplicaAsync();
        var first = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        var copy = world.Store.Copy();
        (await replica.Leases.RevokeAsync(World.Ask(0).Caller, first.Lease.Id, "a test", From, default)).ShouldBeNull();
        await world.PassAsync(() => world.Issuer.Users.IsEmpty, Minute);
        var second = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        world.Engine.RefusedUser = first.Credentials.Login.Username;
        world.Store.PutBack(copy);

        var third = (await world.PassAsync(replica.AskAsync(World.Ask(1, wait: Minute)), Minute)).Grant!;
        third.Lease.Id.ShouldNotBe(first.Lease.Id);
        (await world.PassAsync(replica.Holders.RenewAsync(World.Ask(0).Caller, second.Holder.Id, From, default, second.Lease.Id).AsTask(), Minute)).Grant!
            .Lease.Id.ShouldNotBe(first.Lease.Id, "who had moved is not left where the copy has it");
    }

    [Fact]
    public async Task L8_A_ledger_that_lost_its_last_writes_is_noticed_by_who_saw_them()
    {
        await using var world = new World(capacity: 10);
        var replica = await world.ReplicaAsync();
        await world.PassAsync(replica.AskAsync(World.Ask(0, 2)), Minute);
        var copy = world.Store.Copy();
        await world.PassAsync(replica.AskAsync(World.Ask(1, 6)), Minute);
        world.Store.PutBack(copy);

        (await world.PassAsync(replica.AskAsync(World.Ask(2, 8)), Minute)).Grant.ShouldBeNull("six of them are promised");
        await world.PassAsync(() => world.Ledger.BudgetAsync("orders", [], default).AsTask().GetAwaiter().GetResult().Granted == 8, TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task L6_A_replica_with_other_sealing_keys_is_told_so_and_hands_out_nothing_it_cannot_read()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.Seal.PassesAsync(default).AsTask(), Minute)).ShouldBeTrue();
        await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute);
        var other = await world.ReplicaAsync(new EphemeralDataProtectionProvider());
        (await world.PassAsync(other.Seal.PassesAsync(default).AsTask(), Minute)).ShouldBeFalse();
        (await world.PassAsync(other.AskAsync(World.Ask(1)), Minute)).Refusal!.Code.ShouldBe(RefusalCode.LedgerUnavailable);
        (await (await world.ReplicaAsync()).Seal.PassesAsync(default)).ShouldBeTrue();
    }

    private static Duty? Failing(World.Replica replica, string kind) =>
        replica.Duties.ListAsync(default).AsTask().GetAwaiter().GetResult().FirstOrDefault(duty => duty.Kind == kind && duty.IsFailing);

    private static int Failures(World.Replica replica, string kind) =>
        replica.Duties.ListAsync(default).AsTask().GetAwaiter().GetResult().Single(duty => duty.Kind == kind).Record.Failures;

    private static Task<Outcome> RenewAsync(World.Replica replica, Grant grant) =>
        replica.Holders.RenewAsync(World.Ask(0).Caller, grant.Holder.Id, From, default).AsTask();
}
