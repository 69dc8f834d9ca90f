using Broker.Core.Ledger;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Contracts;

/// <summary>Attempts to issue: one at a time, known by its fencing number.</summary>
public abstract partial class LedgerContract
{
    [Fact]
    public async Task L1_An_attempt_with_another_fencing_number_neither_goes_on_nor_ends_the_one_that_is_under_way()
    {
        await CountedAsync(100);
        var order = (await ClaimAsync(Claim(0, 1))).ShouldBeOfType<ClaimAnswer.Issue>();
        var other = order with { Fence = order.Fence + 1 };
        (await Ledger.Issues.BeginAsync(database, order.Lease, other.Fence, "user", Fast, Cancellation)).ShouldBeOfType<BeginAnswer.Overtaken>();
        (await Ledger.Issues.BeatAsync(database, order.Lease, other.Fence, Cancellation)).ShouldBeFalse();
        (await Ledger.Issues.IssuedAsync(database, order.Lease, other.Fence, "late", "late", "late", Hour, DateTimeOffset.UnixEpoch, true, Cancellation)).ShouldBeFalse();
        (await Ledger.Duties.DutiesAsync(database, 10, Cancellation)).Single(duty => duty.Name == $"reap:{order.Lease}-{other.Fence}").DueAt
            .ShouldBeLessThanOrEqualTo((await BudgetAsync()).Now, "the late user is to be dropped now");
        (await ActivateAsync(other)).ShouldBeFalse();
        await Ledger.Issues.FailAsync(database, order.Lease, other.Fence, false, "no", TimeSpan.FromMinutes(1), Cancellation);
        (await Ledger.Leases.LeaseAsync(database, order.Lease, Cancellation))!.ShouldSatisfyAllConditions(
            lease => (lease.State, lease.SealedLogin, lease.Begun).ShouldBe((LeaseState.Issuing, "", false)));
        await IssueAsync(order);
        (await Ledger.Issues.BeginAsync(database, order.Lease, order.Fence, "user", Fast, Cancellation)).ShouldBeOfType<BeginAnswer.Overtaken>("it is issued");
        (await Ledger.Issues.IssuedAsync(database, order.Lease, order.Fence, "ref", "user", "late", Hour, DateTimeOffset.UnixEpoch, true, Cancellation)).ShouldBeFalse();
        (await ActivateAsync(order)).ShouldBeFalse();
        await Ledger.Issues.FailAsync(database, order.Lease, order.Fence, false, "no", TimeSpan.FromMinutes(1), Cancellation);
        (await ClaimAsync(Claim(0, 1))).ShouldBeOfType<ClaimAnswer.Granted>().Lease.ShouldBe(order.Lease);
    }

    [Fact]
    public Task A_lease_that_is_being_issued_is_waited_for_by_no_more_holders_than_it_takes() => WithoutStallAsync(async () =>
    {
        await CountedAsync(100);
        var answers = new List<ClaimAnswer>();
        foreach (var pod in Enumerable.Range(0, 3)) answers.Add(await ClaimAsync(Claim(pod, 1) with { Role = Terms with { MaxHolders = 2 } }));
        var first = answers[0].ShouldBeOfType<ClaimAnswer.Issue>();
        answers[1].ShouldBeOfType<ClaimAnswer.Wait>().Lease.ShouldBe(first.Lease);
        answers[2].ShouldBeOfType<ClaimAnswer.Issue>().Lease.ShouldNotBe(first.Lease);
    });

    [Fact]
    public Task L1_An_attempt_that_is_alive_is_not_given_up() => WithoutStallAsync(async () =>
    {
        await CountedAsync(100);
        var order = (await ClaimAsync(Claim(0, 1))).ShouldBeOfType<ClaimAnswer.Issue>();
        (await MoveAsync(order.Lease, LeaseState.Failed, MoveHow.IfAbandoned)).ShouldBe(MoveAnswer.NotMoved);
        await IssueAsync(order);
        (await MoveAsync(order.Lease, LeaseState.Unknown, MoveHow.IfAbandoned)).ShouldBe(MoveAnswer.NotMoved);
        (await MoveAsync(order.Lease, LeaseState.Retiring, MoveHow.EndSessions)).ShouldBe(MoveAnswer.Moved);
        (await Ledger.Leases.LeaseAsync(database, order.Lease, Cancellation))!.Shut.ShouldBeTrue();
    });

    [Fact]
    public async Task L10_What_a_replica_that_died_was_about_is_free_for_others_within_seconds()
    {
        await CountedAsync(3);
        var order = (await ClaimAsync(Claim(0, 2))).ShouldBeOfType<ClaimAnswer.Issue>();
        (await Ledger.Issues.BeginAsync(database, order.Lease, order.Fence, "user", Fast, Cancellation)).ShouldBeOfType<BeginAnswer.Go>();
        (await ClaimAsync(Waiting(1, 3))).ShouldBeOfType<ClaimAnswer.InLine>();
        var from = (await BudgetAsync()).Now;
        await Eventually.HoldsAsync(
            async () =>
            {
                await DueAsync(); // as the replicas that live on do all the time
                return await MoveAsync(order.Lease, LeaseState.Unknown, MoveHow.IfAbandoned) == MoveAnswer.Moved;
            },
            "nobody issues the lease", Cancellation);
        ((await BudgetAsync()).Now - from).ShouldBeLessThan(TimeSpan.FromMinutes(1), "by the ledger's own clock");
        await Eventually.HoldsAsync(
            async () => await ClaimAsync(Waiting(1, 3)) is ClaimAnswer.Issue, "what was reserved for the first goes to the next in line", Cancellation);
    }

    [Fact]
    public async Task L5_A_user_that_may_exist_is_looked_for_at_once()
    {
        await CountedAsync(100);
        var order = (await ClaimAsync(Claim(0, 1))).ShouldBeOfType<ClaimAnswer.Issue>();
        (await Ledger.Issues.BeginAsync(database, order.Lease, order.Fence, "user", Fast, Cancellation)).ShouldBeOfType<BeginAnswer.Go>();
        await Ledger.Issues.FailAsync(database, order.Lease, order.Fence, mayExist: true, "no answer", TimeSpan.FromMinutes(1), Cancellation);
        (await Ledger.Leases.LeaseAsync(database, order.Lease, Cancellation))!.ShouldSatisfyAllConditions(
            lease => (lease.State, lease.Username, lease.Reason).ShouldBe((LeaseState.Unknown, "user", "no answer")));
        (await Ledger.Duties.DutiesAsync(database, 10, Cancellation)).Single(duty => duty.Name == "reap:" + order.Lease).DueAt.ShouldBeLessThanOrEqualTo((await BudgetAsync()).Now);
    }

    [Fact]
    public async Task A_lease_that_cannot_be_renewed_is_followed_in_the_middle_of_its_life_and_each_at_its_own_moment()
    {
        await CountedAsync(100);
        foreach (var (pod, spread) in new[] { (1, 0.0), (2, 1.0) })
        {
            var order = (await ClaimAsync(Claim(pod, 1) with { Pool = "r|" + pod })).ShouldBeOfType<ClaimAnswer.Issue>();
            var go = (await Ledger.Issues.BeginAsync(database, order.Lease, order.Fence, "user", Fast, Cancellation)).ShouldBeOfType<BeginAnswer.Go>();
            await Ledger.Issues.IssuedAsync(database, order.Lease, order.Fence, "ref", "user", "sealed", Hour, go.Now, false, Cancellation);
            await Ledger.Issues.ActivateAsync(database, order.Lease, order.Fence, TimeSpan.Zero, spread, null, Cancellation);
            (await Ledger.Leases.LeaseAsync(database, order.Lease, Cancellation))!.Renewable.ShouldBeFalse();
            var duties = await Ledger.Duties.DutiesAsync(database, 10, Cancellation);
            (duties.Single(duty => duty.Name == "rotate:" + order.Lease).DueAt - go.Now).ShouldBe(Hour * (0.45 - 0.15 * spread), TimeSpan.FromMilliseconds(1));
            duties.ShouldNotContain(duty => duty.Name == "renew:" + order.Lease || duty.Name == "verify:" + order.Lease);

            await Ledger.Leases.RenewedAsync(database, order.Lease, 2 * Hour, go.Now, false, Hour, spread, Cancellation);
            ((await Ledger.Duties.DutiesAsync(database, 10, Cancellation)).Single(duty => duty.Name == "rotate:" + order.Lease).DueAt - go.Now)
                .ShouldBe(2 * Hour - Hour * (0.55 + 0.15 * spread), TimeSpan.FromMilliseconds(1));
        }
    }
}
