using Broker.Core.Audit;
using Broker.Core.Databases;
using Broker.Core.Identity;
using Broker.Core.Issuing;
using Broker.Core.Leases;
using Broker.Core.Model;
using Broker.Tests.Identity;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

public sealed class WayOfARequestTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task L1_Two_hundred_callers_on_four_replicas_get_one_user()
    {
        await using var world = new World(capacity: 1000);
        var replicas = await ReplicasAsync(world, 4);
        var outcomes = await world.PassAsync(Task.WhenAll(Enumerable.Range(0, 200).Select(pod => replicas[pod % 4].AskAsync(World.Ask(pod)))), Minute);
        outcomes.ShouldAllBe(outcome => outcome.Grant != null);
        outcomes.Select(outcome => outcome.Grant!.Credentials.Login.Username).Distinct().ShouldHaveSingleItem();
        world.Issuer.Made.ShouldBe(1);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task L1_When_the_issuing_replica_goes_away_another_issues_and_the_late_users_user_is_revoked(bool issuerChoosesNames)
    {
        await using var world = new World(issuerChoosesNames ? World.OrdersApi with { VaultPath = "database/creds/orders" } : null);
        world.Issuer.ChoosesNames = issuerChoosesNames;
        var replicas = await ReplicasAsync(world, 2);
        var hold = new TaskCompletionSource();
        world.Issuer.Before = () => hold.Task;
        var dead = replicas[0].AskAsync(World.Ask(0));
        await world.PassAsync(() => !world.Issuer.Asked.IsEmpty, Minute);
        replicas[0].Link.Cut();
        world.Issuer.Before = null;

        var outcome = await world.PassAsync(replicas[1].AskAsync(World.Ask(1, wait: TimeSpan.FromSeconds(30))), Minute);
        outcome.Grant.ShouldNotBeNull();

        replicas[0].Link.Mend();
        hold.SetResult();
        await world.PassAsync(() => world.Issuer.Made == 2 && world.Issuer.Users.Count == 1, Minute);
        world.Issuer.Users.Keys.ShouldHaveSingleItem().ShouldBe(outcome.Grant.Credentials.Login.Username);
        (await world.PassAsync(dead, Minute)).Refusal?.Code.ShouldBe(RefusalCode.LedgerUnavailable);
    }

    [Fact]
    public async Task L5_What_was_issued_and_cannot_be_written_down_is_dropped_by_who_issued_it()
    {
        await using var world = new World(World.OrdersApi with { VaultPath = "database/creds/orders" });
        world.Issuer.ChoosesNames = true;
        var replica = await world.ReplicaAsync();
        world.Issuer.Before = () =>
        {
            replica.Link.Cut();
            return Task.CompletedTask;
        };
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Refusal!.Code.ShouldBe(RefusalCode.LedgerUnavailable);
        await world.PassAsync(() => world.Issuer.Made == 1 && world.Issuer.Users.IsEmpty, Minute);
    }

    [Fact]
    public async Task L7_Every_answer_is_audited_with_what_was_asked_and_given_and_counted()
    {
        await using var world = new World(capacity: 4);
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0, 3, 1)), Minute)).Grant!;
        (await world.PassAsync(replica.AskAsync(World.Ask(1, 4) with { Holder = "job-1" }), Minute)).Refusal!.Code.ShouldBe(RefusalCode.BudgetExhausted);
        replica.Link.Cut();
        (await world.PassAsync(replica.AskAsync(World.Ask(2)), Minute)).Refusal!.Code.ShouldBe(RefusalCode.LedgerUnavailable);

        replica.Audit.Records.Select(record => (record.Outcome, record.HolderId, record.Connections, record.Refusal)).ShouldBe(
        [
            (AuditOutcome.Granted, grant.Holder.Id, 3, null),
            (AuditOutcome.Refused, "job-1", 4, RefusalCode.BudgetExhausted),
            (AuditOutcome.Failed, null, null, RefusalCode.LedgerUnavailable),
        ]);
        string[] outcomes = ["granted", "budget-exhausted", "ledger-unavailable"];
        outcomes.ShouldAllBe(outcome => replica.Counted("broker.claims", outcome) == 1);
        await world.PassAsync(() => replica.Counted("broker.issues", "issued") == 1, Minute); // once the pods have their answers
    }

    [Fact]
    public async Task A_renewal_that_cannot_be_recorded_is_counted_as_refused()
    {
        await using var world = new World(capacity: 4);
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        (await world.PassAsync(replica.RenewAsync(grant), Minute)).Refusal.ShouldBeNull();
        replica.Audit.Broken = true;
        (await world.PassAsync(replica.RenewAsync(grant), Minute)).Refusal!.Code.ShouldBe(RefusalCode.AuditUnavailable);

        string[] outcomes = ["granted", "audit-unavailable"];
        outcomes.ShouldAllBe(outcome => replica.Counted("broker.holder.renewals", outcome) == 1);
    }

    [Fact]
    public async Task L3_A_lease_past_half_its_life_is_not_given_to_new_holders()
    {
        await using var world = new World();
        world.Issuer.Renewable = false;
        var replica = await world.ReplicaAsync();
        var first = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        world.Clock.Advance(TimeSpan.FromMinutes(31));
        var second = (await world.PassAsync(replica.AskAsync(World.Ask(1, wait: TimeSpan.FromSeconds(30))), Minute)).Grant!;
        second.Lease.Id.ShouldNotBe(first.Lease.Id);
        (second.Lease.ExpiresAt - world.Clock.GetUtcNow()).ShouldBeGreaterThan(TimeSpan.FromMinutes(30));
        world.Issuer.Users.Count.ShouldBe(2, "who holds the first keeps it to its end");
    }

    [Fact]
    public async Task L3_A_login_that_the_database_refuses_is_given_to_nobody_and_its_user_is_revoked()
    {
        await using var world = new World();
        world.Engine.LoginFailure = new(DatabaseFailure.LoginRefused, "password authentication failed");
        var replica = await world.ReplicaAsync();
        var refusal = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Refusal!;
        refusal.Code.ShouldBe(RefusalCode.LoginFailed);
        refusal.Detail.ShouldContain("password authentication failed");
        await world.PassAsync(() => world.Issuer.Users.IsEmpty, Minute);
    }

    [Fact]
    public async Task L4_A_held_lease_is_renewed_again_and_again()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        for (var quarter = 0; quarter < 12; quarter++)
        {
            world.Clock.Advance(TimeSpan.FromMinutes(15));
            var renewed = (await world.PassAsync(replica.RenewAsync(grant), Minute)).Grant!;
            renewed.Lease.Id.ShouldBe(grant.Lease.Id);
            renewed.Overlap.ShouldBeNull();
            (renewed.Lease.ExpiresAt - world.Clock.GetUtcNow()).ShouldBeLessThanOrEqualTo(world.Issuer.Life, "never longer at a time than it was issued for");
            await world.PassAsync(TimeSpan.FromSeconds(1));
        }

        world.Issuer.Made.ShouldBe(1);
        world.Issuer.Users.Count.ShouldBe(1);
    }

    [Fact]
    public async Task L4_A_lease_whose_renewal_fails_is_kept_to_its_announced_end_and_its_holder_moves_before()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        world.Issuer.RenewFailure = new(IssuerFailure.Unavailable, "sealed");
        world.Clock.Advance(TimeSpan.FromMinutes(25));
        await world.PassAsync(TimeSpan.FromSeconds(1));
        (await world.PassAsync(replica.RenewAsync(grant), Minute)).Grant!.Lease.Id.ShouldBe(grant.Lease.Id);
        world.Issuer.Users.Count.ShouldBe(1);
        world.Clock.Advance(TimeSpan.FromMinutes(10));
        var moved = (await world.PassAsync(replica.RenewAsync(grant), Minute)).Grant!;
        moved.Overlap.ShouldNotBeNull().ShouldBeGreaterThan(TimeSpan.FromSeconds(5));
        moved.Lease.Id.ShouldNotBe(grant.Lease.Id);
    }

    [Fact]
    public async Task L4_While_the_issuer_is_down_a_holder_that_should_move_keeps_its_lease()
    {
        await using var world = new World();
        world.Issuer.Renewable = false;
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        // Before the next lease would be issued ahead of need, which is at a moment of chance.
        world.Issuer.Failure = new(IssuerFailure.Unavailable, "sealed");
        world.Clock.Advance(TimeSpan.FromMinutes(29));
        (await world.PassAsync(replica.RenewAsync(grant), Minute)).Grant.ShouldNotBeNull();
        world.Clock.Advance(TimeSpan.FromMinutes(5));
        foreach (var again in new[] { replica.RenewAsync(grant), replica.AskAsync(World.Ask(0)) })
            (await world.PassAsync(again, Minute)).Grant!.Lease.Id.ShouldBe(grant.Lease.Id);
    }

    [Fact]
    public async Task L4_A_holder_that_waited_in_vain_for_the_next_lease_keeps_the_one_it_has()
    {
        await using var world = new World();
        world.Issuer.Renewable = false;
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        var hold = new TaskCompletionSource();
        world.Issuer.Before = () => hold.Task;
        world.Clock.Advance(TimeSpan.FromMinutes(29));
        (await world.PassAsync(replica.RenewAsync(grant), Minute)).Grant.ShouldNotBeNull();
        world.Clock.Advance(TimeSpan.FromMinutes(5));
        (await world.PassAsync(replica.RenewAsync(grant), Minute)).Grant!.Lease.Id.ShouldBe(grant.Lease.Id);
        world.Issuer.Asked.Count.ShouldBeGreaterThan(1, "the next one is on its way all the while");
        hold.SetResult();
    }

    [Fact]
    public async Task L5_A_lease_that_nobody_holds_is_revoked_after_its_idle_time()
    {
        await using var world = new World(World.OrdersApi with { IdleTtl = TimeSpan.FromSeconds(30) });
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        (await replica.Holders.ReleaseAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default)).ShouldBeNull();
        world.Clock.Advance(TimeSpan.FromSeconds(20));
        await world.PassAsync(TimeSpan.FromSeconds(1));
        world.Issuer.Users.Count.ShouldBe(1);
        await world.PassAsync(() => world.Issuer.Users.IsEmpty, Minute);
    }

    [Fact]
    public async Task L7_When_the_audit_cannot_be_written_nothing_is_handed_out()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        replica.Audit.Broken = true;
        var outcome = await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute);
        outcome.Grant.ShouldBeNull();
        outcome.Refusal!.Code.ShouldBe(RefusalCode.AuditUnavailable);
    }

    [Fact]
    public async Task L7_A_role_one_may_not_have_and_a_role_there_is_not_are_refused_alike()
    {
        await using var world = new World(World.OrdersApi with { Allow = [] });
        var replica = await world.ReplicaAsync();
        var mine = (await replica.AskAsync(World.Ask(0))).Refusal!;
        var none = (await replica.AskAsync(World.Ask(0, role: "nosuch"))).Refusal!;
        (mine.Code, mine.Detail.Replace("orders-api", "X", StringComparison.Ordinal))
            .ShouldBe((none.Code, none.Detail.Replace("nosuch", "X", StringComparison.Ordinal)));
        replica.Audit.Records.Count.ShouldBe(2);
    }

    [Fact]
    public async Task L10_A_caller_that_waits_for_a_slow_issuer_is_answered_when_its_time_is_over()
    {
        await using var world = new World();
        var hold = new TaskCompletionSource();
        world.Issuer.Before = () => hold.Task;
        var replica = await world.ReplicaAsync();
        var from = world.Clock.GetUtcNow();
        var refusal = (await world.PassAsync(replica.AskAsync(World.Ask(0, wait: TimeSpan.FromSeconds(3))), Minute)).Refusal!;
        (refusal.Code, refusal.RetryAfter.HasValue).ShouldBe((RefusalCode.IssuerUnavailable, true));
        (world.Clock.GetUtcNow() - from).ShouldBeInRange(TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(5));
        (await world.Ledger.Budgets.BudgetAsync("orders", [], default)).Granted.ShouldBe(0, "what was reserved for it is free again");
        hold.SetResult();
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant.ShouldNotBeNull();
        world.Issuer.Made.ShouldBe(1, "the caller left, the lease did not");
    }

    [Fact]
    public async Task L10_A_place_in_line_is_served_when_connections_come_free_and_refused_when_the_time_is_over()
    {
        await using var world = new World(capacity: 4);
        var replica = await world.ReplicaAsync();
        var first = (await world.PassAsync(replica.AskAsync(World.Ask(0, 4)), Minute)).Grant!;
        var impatient = replica.AskAsync(World.Ask(1, 2, wait: TimeSpan.FromSeconds(2)));
        (await world.PassAsync(impatient, Minute)).Refusal!.Code.ShouldBe(RefusalCode.BudgetExhausted);

        var patient = replica.AskAsync(World.Ask(2, 2, wait: TimeSpan.FromSeconds(30)));
        await world.PassAsync(TimeSpan.FromSeconds(1));
        patient.IsCompleted.ShouldBeFalse();
        await replica.Holders.ReleaseAsync(World.Ask(0).Caller, first.Holder.Id, World.From, default);
        (await world.PassAsync(patient, TimeSpan.FromSeconds(2))).Grant!.Connections.ShouldBe(2);
    }

    [Fact]
    public async Task L10_A_caller_that_leaves_gives_up_its_place_and_its_reservation()
    {
        await using var world = new World(capacity: 4);
        var replica = await world.ReplicaAsync();
        await world.PassAsync(replica.AskAsync(World.Ask(0, 3)), Minute);
        using var left = new CancellationTokenSource();
        var leaving = replica.AskAsync(World.Ask(1, 4, wait: TimeSpan.FromSeconds(30)), left.Token);
        await world.PassAsync(() => world.Ledger.Budgets.BudgetAsync("orders", [], default).AsTask() is { IsCompletedSuccessfully: true } read && Completed(read).Waiting == 1, Minute);
        await left.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(world.PassAsync(leaving, Minute));
        (await world.PassAsync(replica.AskAsync(World.Ask(2, 1)), Minute)).Grant.ShouldNotBeNull("nobody stands before it any more");
    }

    [Fact]
    public async Task L12_An_issue_is_in_flight_for_as_long_as_it_takes()
    {
        await using var world = new World(
            World.OrdersApi with { Sharing = SharingScope.Holder }, World.Orders with { Issuing = new() { UsersPerSecond = 100, Burst = 100, InFlight = 1 } });
        var hold = new TaskCompletionSource();
        world.Issuer.Before = () => hold.Task;
        var replica = await world.ReplicaAsync();
        Task<Outcome>[] asking = [.. Enumerable.Range(0, 2).Select(pod => replica.AskAsync(World.Ask(pod, 1, wait: Minute)))];
        await world.PassAsync(TimeSpan.FromSeconds(10));
        var atOnce = world.Issuer.Asked.Count;
        hold.SetResult();
        (await world.PassAsync(Task.WhenAll(asking), Minute)).ShouldAllBe(outcome => outcome.Grant != null);
        (atOnce, world.Issuer.Made).ShouldBe((1, 2));
    }

    [Fact]
    public async Task L12_An_issuer_that_fails_is_asked_ever_more_rarely()
    {
        await using var world = new World();
        world.Issuer.Failure = new(IssuerFailure.Refused, "permission denied");
        var replica = await world.ReplicaAsync();
        var end = world.Clock.GetUtcNow() + TimeSpan.FromMinutes(2);
        while (world.Clock.GetUtcNow() < end)
        {
            var refusal = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Refusal!;
            refusal.Code.ShouldBe(RefusalCode.IssuerUnavailable);
            refusal.Detail.ShouldContain("permission denied");
            world.Clock.Advance(TimeSpan.FromMilliseconds(100));
        }

        world.Issuer.Asked.Count.ShouldBeInRange(4, 9, "1, 2, 4, 8 … seconds between them");
    }

    [Fact]
    public async Task L12_An_issuer_that_says_when_to_come_back_is_left_alone_until_then()
    {
        await using var world = new World();
        world.Issuer.Failure = new(IssuerFailure.Unavailable, "throttled", TimeSpan.FromSeconds(40));
        var replica = await world.ReplicaAsync();
        var refusal = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Refusal!;
        refusal.RetryAfter.ShouldNotBeNull().ShouldBeInRange(TimeSpan.FromSeconds(39), TimeSpan.FromSeconds(40));
        world.Clock.Advance(TimeSpan.FromSeconds(38));
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Refusal.ShouldNotBeNull();
        world.Issuer.Asked.Count.ShouldBe(1);
    }

    [Fact]
    public async Task L2_A_holder_that_left_is_not_remembered_while_the_ledger_is_away()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        (await replica.Holders.ReleaseAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default)).ShouldBeNull();
        (await replica.Holders.ReleaseAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default))!.Code.ShouldBe(RefusalCode.HolderUnknown);
        replica.Link.Cut();
        (await replica.AskAsync(World.Ask(0))).Refusal!.Code.ShouldBe(RefusalCode.LedgerUnavailable);
    }

    [Fact]
    public async Task L11_While_the_ledger_is_away_who_holds_is_answered_and_who_is_new_is_told_to_come_back()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        replica.Link.Cut();
        var again = (await replica.AskAsync(World.Ask(0))).Grant!;
        (again.Holder.Id, again.Lease.Id, again.Connections).ShouldBe((grant.Holder.Id, grant.Lease.Id, grant.Connections));
        var refusal = (await replica.AskAsync(World.Ask(1))).Refusal!;
        (refusal.Code, refusal.RetryAfter.HasValue).ShouldBe((RefusalCode.LedgerUnavailable, true));
        world.Clock.Advance(TimeSpan.FromMinutes(31));
        (await replica.AskAsync(World.Ask(0))).Refusal!.Code.ShouldBe(RefusalCode.LedgerUnavailable, "its time is over");
    }

    [Fact]
    public async Task L10_A_caller_that_finds_no_room_is_told_to_look_again_before_long_and_gets_it_when_it_is_there()
    {
        await using var world = new World(capacity: 2);
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.AskAsync(World.Ask(0, 2)), Minute)).Grant.ShouldNotBeNull();
        var full = (await world.PassAsync(replica.AskAsync(World.Ask(1)), Minute)).Refusal!;
        var tooSmall = (await world.PassAsync(replica.AskAsync(World.Ask(2, 3)), Minute)).Refusal!;
        foreach (var refusal in new[] { full, tooSmall })
        {
            refusal.Code.ShouldBe(RefusalCode.BudgetExhausted);
            refusal.RetryAfter.ShouldBe(TimeSpan.FromSeconds(10), "the holder ends in minutes, but may leave at any time");
        }

        // The database was short for one count only.
        world.Engine.Capacity = 8;
        var again = world.Clock.GetUtcNow() + tooSmall.RetryAfter!.Value;
        await world.PassAsync(() => world.Clock.GetUtcNow() >= again, Minute);
        (await world.PassAsync(replica.AskAsync(World.Ask(2, 3)), Minute)).Grant.ShouldNotBeNull();
    }

    [Fact]
    public async Task L2_Connections_come_free_when_their_holder_ends()
    {
        await using var world = new World(World.OrdersApi with { HolderTtl = TimeSpan.FromMinutes(1) }, capacity: 5);
        var replica = await world.ReplicaAsync();
        await world.PassAsync(replica.AskAsync(World.Ask(0, 5)), Minute);
        (await world.PassAsync(replica.AskAsync(World.Ask(1, 1)), Minute)).Refusal!.Code.ShouldBe(RefusalCode.BudgetExhausted);
        world.Clock.Advance(TimeSpan.FromSeconds(61));
        (await world.PassAsync(replica.AskAsync(World.Ask(1, 1, wait: TimeSpan.FromSeconds(10))), Minute)).Grant.ShouldNotBeNull();
    }

    [Fact]
    public async Task L2_Nothing_is_promised_while_the_database_cannot_be_counted()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute);
        world.Engine.SampleFailure = new(DatabaseFailure.Unavailable, "down");
        world.Clock.Advance(TimeSpan.FromSeconds(20));
        (await world.PassAsync(replica.AskAsync(World.Ask(1, wait: TimeSpan.FromSeconds(1))), Minute)).Refusal!.Code.ShouldBe(RefusalCode.DatabaseUnavailable);
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant.ShouldNotBeNull("it holds already");
        world.Engine.SampleFailure = null;
        (await world.PassAsync(replica.AskAsync(World.Ask(1, wait: TimeSpan.FromSeconds(30))), Minute)).Grant.ShouldNotBeNull();
    }

    [Fact]
    public async Task A_rotated_roles_holder_moves_at_its_next_renewal_and_the_old_user_goes_when_the_last_has_moved()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        (await replica.Leases.RotateAsync(World.Ask(0).Caller, "orders-api", "a test", World.From, default)).ShouldBeNull();
        await world.LeaseAsync(lease => lease.Id != grant.Lease.Id && lease.State == LeaseState.Active, Minute);
        var moved = (await world.PassAsync(replica.RenewAsync(grant), Minute)).Grant!;
        moved.Overlap.ShouldNotBeNull().ShouldBeGreaterThan(TimeSpan.FromSeconds(5));
        world.Issuer.Users.Count.ShouldBe(2, "the old connections may still be open");
        await world.PassAsync(() => world.Issuer.Users.Count == 1, TimeSpan.FromMinutes(2));
        world.Issuer.Users.Keys.ShouldHaveSingleItem().ShouldBe(moved.Credentials.Login.Username);
    }

    [Fact]
    public async Task A_revoked_lease_is_gone_and_its_holder_gets_another()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        (await replica.Leases.RevokeAsync(World.Ask(0).Caller, grant.Lease.Id, "a test", World.From, default)).ShouldBeNull();
        await world.PassAsync(() => world.Issuer.Users.IsEmpty, Minute);
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!.Lease.Id.ShouldNotBe(grant.Lease.Id);
        (await replica.Leases.RevokeAsync(World.Ask(0).Caller, "nosuch", "a test", World.From, default))!.Code.ShouldBe(RefusalCode.LeaseUnknown);
    }

    [Fact]
    public async Task L7_A_caller_that_may_not_have_a_role_learns_nothing_by_an_id_of_its_own_making()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var stranger = Callers.Pod(space: "elsewhere");
        foreach (var role in new[] { "orders-api", "no-such-role" })
        {
            var id = HolderId.For(role, stranger, null).Value;
            (await world.PassAsync(replica.Holders.RenewAsync(stranger, id, World.From, default).AsTask(), Minute)).Refusal!.Code.ShouldBe(RefusalCode.NotAllowed);
            (await replica.Holders.ReleaseAsync(stranger, id, World.From, default))!.Code.ShouldBe(RefusalCode.NotAllowed);
        }
    }

    [Fact]
    public async Task A_holder_is_told_to_come_back_after_two_thirds_of_its_time()
    {
        await using var world = new World(World.OrdersApi with { HolderTtl = TimeSpan.FromMinutes(30) });
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!.Holder.RenewAfterSeconds.ShouldBe(1200);
    }

    [Fact]
    public async Task Another_callers_holder_is_as_unknown_as_none()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        var other = World.Ask(1).Caller;
        (await replica.Holders.ReleaseAsync(other, grant.Holder.Id, World.From, default))!.Code.ShouldBe(RefusalCode.HolderUnknown);
        (await replica.Holders.RenewAsync(other, grant.Holder.Id, World.From, default)).Refusal!.Code.ShouldBe(RefusalCode.HolderUnknown);
        (await replica.Holders.RenewAsync(other, "no holder's id", World.From, default)).Refusal!.Code.ShouldBe(RefusalCode.HolderUnknown);
        (await world.PassAsync(replica.RenewAsync(grant), Minute)).Grant.ShouldNotBeNull();
    }

    private static async Task<World.Replica[]> ReplicasAsync(World world, int count)
    {
        var replicas = new World.Replica[count];
        for (var i = 0; i < count; i++) replicas[i] = await world.ReplicaAsync();
        return replicas;
    }

    private static T Completed<T>(Task<T> task) => task.GetAwaiter().GetResult();
}
