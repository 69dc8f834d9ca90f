using Broker.Core.Catalog;
using Broker.Core.Issuing;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>Users that were made while the issuer's answer was lost.</summary>
public sealed class LostAnswersTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private static Role Exclusive { get; } = World.OrdersApi with { VaultPath = "database/creds/orders", VaultPathExclusive = true };

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task L5_What_a_lost_answer_made_is_found_by_the_name_that_was_proposed_or_among_the_issuers_leases(bool named)
    {
        var role = named ? World.OrdersApi : Exclusive;
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
    public async Task L4_The_search_for_what_a_lost_answer_made_touches_no_user_whose_answer_is_on_its_way()
    {
        await using var world = new World(Exclusive with { Sharing = SharingScope.Holder });
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
    public async Task L5_L10_An_attempt_keeps_its_turn_however_long_it_waits_for_it_and_what_it_made_is_found()
    {
        const int pods = 14;
        await using var world = new World(Exclusive with { Sharing = SharingScope.Holder });
        world.Issuer.ChoosesNames = true;
        world.Issuer.After = () => Task.Delay(TimeSpan.FromSeconds(20), world.Clock);
        var replica = await world.ReplicaAsync();
        var asking = Enumerable.Range(0, pods).Select(pod => replica.AskAsync(World.Ask(pod, wait: TimeSpan.FromSeconds(30)))).ToArray();

        // As many as may be under way at once take all of the others' deadline, several times.
        await world.PassAsync(() => world.Issuer.Made >= pods - 2, 5 * Minute);
        (await world.LeasesAsync()).ShouldAllBe(lease => lease.State == LeaseState.Issuing || lease.State == LeaseState.Active);
        world.Issuer.AfterIssue = new(IssuerFailure.AnswerLost, "the connection broke");
        await world.PassAsync(() => world.Issuer.Made == pods, Minute);
        await world.PassAsync(Task.WhenAll(asking), Minute);

        // Those of leases are dropped when nobody holds them; what was lost is looked for.
        await world.PassAsync(() => world.Issuer.Users.IsEmpty, TimeSpan.FromHours(1));
        world.Issuer.Made.ShouldBe(pods);
    }

    [Fact]
    public async Task L5_What_an_issuer_makes_long_after_its_answer_was_lost_is_found_too()
    {
        await using var world = new World(Exclusive);
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
    public async Task L4_A_static_user_whose_password_a_lost_attempt_may_still_set_has_no_turn_for_a_while()
    {
        await using var world = new World(World.OrdersApi with { Static = new(["u" + new string('a', 16), "u" + new string('b', 16)], Rotation.Every(TimeSpan.FromHours(1))), KeepReady = true });
        var replica = await world.ReplicaAsync();
        var first = await world.LeaseAsync(lease => lease.State == LeaseState.Active, Minute);
        world.Issuer.AfterIssue = new(IssuerFailure.AnswerLost, "the connection broke");
        (await replica.Leases.RotateAsync(World.Ask(0).Caller, "orders-api", "a test", World.From, default)).ShouldBeNull();
        var lost = await world.LeaseAsync(lease => lease.Id != first.Id && lease.State == LeaseState.Revoking, Minute);
        lost.Username.ShouldNotBe(first.Username);
        var asked = world.Issuer.Asked.Last();
        world.Issuer.AfterIssue = null;

        var next = await world.LeaseAsync(lease => lease.State == LeaseState.Active && lease.Username == lost.Username, 3 * Minute);
        (world.Issuer.Asked.Last() - asked).ShouldBeGreaterThanOrEqualTo(TimeSpan.FromSeconds(30), "the lost attempt's statement may still be on its way, and would change the password of this one");
        next.Id.ShouldNotBe(lost.Id);
    }

    [Fact]
    public async Task L4_A_static_users_login_is_tried_at_once_when_an_attempt_that_was_overtaken_changed_its_password()
    {
        await using var world = new World(World.OrdersApi with { Static = new(["u" + new string('a', 16), "u" + new string('b', 16)], Rotation.Every(TimeSpan.FromHours(1))), KeepReady = true });
        var (late, other) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var first = await world.LeaseAsync(lease => lease.State == LeaseState.Active, Minute);
        var hold = new TaskCompletionSource();
        world.Issuer.After = () => hold.Task;
        (await late.Leases.RotateAsync(World.Ask(0).Caller, "orders-api", "a test", World.From, default)).ShouldBeNull();
        await world.PassAsync(() => world.Issuer.Made == 2, Minute);
        late.Link.Cut();
        world.Issuer.After = null;
        for (var times = 0; times < 60 && !(await world.LeasesAsync()).Any(lease => lease.State == LeaseState.Active && lease.Username != first.Username); times++)
        {
            await other.Leases.RotateAsync(World.Ask(0).Caller, "orders-api", "a test", World.From, default);
            await world.PassAsync(TimeSpan.FromSeconds(3));
        }

        var next = await world.LeaseAsync(lease => lease.State == LeaseState.Active && lease.Username != first.Username, Minute);
        var failed = Failed();
        world.Engine.RefusedUser = next.Username;
        late.Link.Mend();
        hold.SetResult();
        await world.PassAsync(() => Failed() > failed, TimeSpan.FromSeconds(5));

        long Failed() => late.Counted("broker.verifications", "failed") + other.Counted("broker.verifications", "failed");
    }

    [Fact]
    public async Task L1_An_attempt_that_hears_late_that_its_moment_has_come_asks_the_issuer_no_more()
    {
        await using var world = new World();
        var (late, other) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var hold = new TaskCompletionSource();
        late.Link.OnTheWayBack = decision =>
        {
            if (decision.Name != "begin") return Task.CompletedTask;
            late.Link.Cut();
            return hold.Task;
        };
        var asking = late.AskAsync(World.Ask(0));
        await world.PassAsync(() => late.Link.IsCut, Minute);
        (await world.PassAsync(other.AskAsync(World.Ask(1, wait: TimeSpan.FromSeconds(30))), Minute)).Grant.ShouldNotBeNull();

        late.Link.Mend();
        hold.SetResult();
        await world.PassAsync(asking, Minute);
        await world.PassAsync(TimeSpan.FromSeconds(5));
        world.Issuer.Made.ShouldBe(1, "the moment was another's when it heard of its own");
    }

    [Fact]
    public async Task L4_Who_looks_for_what_a_lost_answer_made_takes_no_user_for_it_while_replicas_tell_what_the_ledger_lost()
    {
        await using var world = new World(Exclusive with { Sharing = SharingScope.Holder });
        world.Issuer.ChoosesNames = true;
        var replica = await world.ReplicaAsync();
        world.Issuer.AfterIssue = new(IssuerFailure.AnswerLost, "the connection broke");
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Refusal!.Code.ShouldBe(RefusalCode.IssuerUnavailable);
        world.Issuer.AfterIssue = null;
        var copy = world.Store.Copy();
        await world.PassAsync(TimeSpan.FromSeconds(1));
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(1, wait: TimeSpan.FromSeconds(30))), Minute)).Grant!;
        world.Issuer.OnList = () =>
        {
            if (copy is { } before) world.Store.PutBack(before);
            copy = null;
        };

        await world.PassAsync(() => copy is null, 5 * Minute);
        await world.PassAsync(Minute);
        world.Issuer.Users.Keys.ShouldContain(grant.Credentials.Login.Username, "it is held, and the ledger was about to be told so");
        await world.PassAsync(() => world.Issuer.Users.Count == 1, 5 * Minute);
        world.Issuer.Users.Keys.ShouldHaveSingleItem().ShouldBe(grant.Credentials.Login.Username);
    }

    [Fact]
    public async Task L5_What_is_made_after_it_was_dropped_because_its_statement_was_on_its_way_is_dropped_once_more()
    {
        await using var world = new World();
        world.Issuer.Failure = new(IssuerFailure.AnswerLost, "the connection broke");
        var replica = await world.ReplicaAsync();
        await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute);
        var dropped = await world.LeaseAsync(lease => lease.State == LeaseState.Revoking && lease.Reason.Contains("dropped again", StringComparison.Ordinal), Minute);

        world.Issuer.Users[dropped.Username] = world.Clock.GetUtcNow();

        await world.PassAsync(() => world.Issuer.Users.IsEmpty, Minute);
        (await world.LeaseAsync(lease => lease.State == LeaseState.Revoked, Minute)).Reason.ShouldNotContain("once more");
    }

    [Fact]
    public async Task L5_Of_the_issuers_leases_only_those_from_the_time_of_the_lost_answer_are_revoked()
    {
        await using var world = new World(Exclusive);
        world.Issuer.ChoosesNames = true;
        var replica = await world.ReplicaAsync();
        world.Issuer.AfterIssue = new(IssuerFailure.AnswerLost, "the connection broke");
        await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute);
        var asked = (await world.LeasesAsync()).ShouldHaveSingleItem().CreatedAt;
        world.Issuer.Users["older"] = asked - (2 * Minute);
        world.Issuer.Users["later"] = asked + (4 * Minute);
        world.Clock.Advance(2 * Minute);

        (await world.LeaseAsync(lease => lease.State == LeaseState.Revoked, Minute)).Reason.ShouldContain("revoked (1)");
        world.Issuer.Users.Keys.ShouldBe(["older", "later"], ignoreOrder: true);

        world.Clock.Advance(11 * Minute);
        await world.PassAsync(() => world.LeasesAsync().GetAwaiter().GetResult().Count == 0, Minute);
    }

    [Fact]
    public async Task L5_A_lost_answer_that_made_nothing_is_told_so()
    {
        await using var world = new World(Exclusive);
        world.Issuer.ChoosesNames = true;
        var replica = await world.ReplicaAsync();
        world.Issuer.Failure = new(IssuerFailure.AnswerLost, "the connection broke");
        await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute);
        world.Clock.Advance(2 * Minute);
        (await world.LeaseAsync(lease => lease.State == LeaseState.Revoked, Minute)).Reason.ShouldContain("nothing was made");
    }

    [Fact]
    public async Task L5_Where_the_issuers_leases_may_not_be_listed_a_lost_answer_is_shown_until_the_longest_life_of_what_it_may_have_made()
    {
        await using var world = new World(Exclusive with { LeaseMaxTtl = 10 * Minute });
        world.Issuer.ChoosesNames = true;
        var replica = await world.ReplicaAsync();
        world.Issuer.AfterIssue = new(IssuerFailure.AnswerLost, "the connection broke");
        world.Issuer.ListFailure = new(IssuerFailure.Refused, "permission denied");
        await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute);
        world.Clock.Advance(8 * Minute);
        await world.PassAsync(TimeSpan.FromSeconds(5));
        (await world.LeasesAsync()).ShouldHaveSingleItem().State.ShouldBe(LeaseState.Unknown);
        replica.Failures("reap").ShouldBe(0, "that it may not list is no failure of the duty");

        world.Clock.Advance(2 * Minute);
        (await world.LeaseAsync(lease => lease.State == LeaseState.Revoked, Minute)).Reason.ShouldContain("maximum lifetime is over");
        world.Issuer.Users.Count.ShouldBe(1, "nothing tells whose it is");
    }

    [Fact]
    public async Task L10_An_issuer_that_never_answers_is_given_up_and_may_have_made_a_user()
    {
        await using var world = new World(Exclusive);
        world.Issuer.ChoosesNames = world.Issuer.Hangs = true;
        var replica = await world.ReplicaAsync();
        var asked = world.Clock.GetUtcNow();
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Refusal!.Code.ShouldBe(RefusalCode.IssuerUnavailable);
        (world.Clock.GetUtcNow() - asked).ShouldBeInRange(new WaitingSettings().Default, new WaitingSettings().Default + TimeSpan.FromSeconds(2), "no longer than it waits");
        var given = await world.LeaseAsync(lease => lease.State != LeaseState.Issuing, Minute);
        given.State.ShouldBe(LeaseState.Unknown);
        given.Reason.ShouldContain("did not answer in time");
        await world.PassAsync(() => replica.Counted("broker.issues", "issuer-unavailable") == 1, Minute);
    }

    [Fact]
    public async Task L5_An_attempt_whose_replica_went_away_before_it_asked_has_made_nothing()
    {
        await using var world = new World();
        await world.ReplicaAsync();
        await world.PassAsync(() => world.Ledger.Budgets.BudgetAsync("orders", [], default).AsTask().GetAwaiter().GetResult().Ceiling > 0, Minute);
        var claim = new Claim("orders-api.h", new("orders-api", 0, Minute, 500, Minute), "orders-api", 1, 1, Minute, Minute, ClaimKind.Claim, "c");
        var order = (await world.Ledger.Claims.ClaimAsync("orders", World.Orders.Issuing, 10, [claim], default))[0].ShouldBeOfType<ClaimAnswer.Issue>();
        (await world.LeaseAsync(lease => lease.Id == order.Lease && lease.State != LeaseState.Issuing, Minute)).State.ShouldBe(LeaseState.Failed);
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
}
