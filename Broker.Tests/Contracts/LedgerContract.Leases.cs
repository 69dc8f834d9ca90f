using Broker.Core.Ledger;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Contracts;

/// <summary>What is known of a lease, and how it is renewed, followed and ended.</summary>
public abstract partial class LedgerContract
{
    [Fact]
    public Task All_that_was_said_of_a_lease_is_written_down() => WithoutStallAsync(async () =>
    {
        await CountedAsync(100);
        var order = await ActiveAsync();
        var lease = (await Ledger.Leases.LeasesAsync(database, 10, Cancellation)).ShouldHaveSingleItem();
        lease.ShouldSatisfyAllConditions(
            () => (lease.Id, lease.Role, lease.Pool, lease.State).ShouldBe((order.Lease, "r", "r", LeaseState.Active)),
            () => (lease.Username, lease.IssuerId, lease.SealedLogin).ShouldBe(("user-" + order.Lease, "ref", "sealed")),
            () => (lease.Holders, lease.Connections, lease.MaxHolders, lease.IdleTtl).ShouldBe((1, 1, Terms.MaxHolders, Terms.IdleTtl)),
            () => (lease.Life, lease.Renewable, lease.Begun, lease.Shut, lease.Cap).ShouldBe((Hour, true, true, false, null)),
            () => (lease.ExpiresAt!.Value - lease.CreatedAt).ShouldBeInRange(Hour, Hour + TimeSpan.FromSeconds(20)),
            () => (lease.RenewAt!.Value - lease.IssuedAt!.Value).ShouldBe(Hour / 3),
            () => lease.VerifiedAt.ShouldBe(lease.IssuedAt));
        (await Ledger.Holders.HoldersAsync(database, order.Lease, 10, Cancellation)).ShouldHaveSingleItem().ShouldSatisfyAllConditions(
            holder => (holder.Id, holder.Caller, holder.Connections, holder.Waiting).ShouldBe((Id(0), "orders/pod-0|ä", 1, false)),
            holder => (holder.EndsAt - lease.ReadAt).ShouldBeInRange(Terms.HolderTtl - TimeSpan.FromSeconds(20), Terms.HolderTtl));
        var duties = (await Ledger.Duties.DutiesAsync(database, 10, Cancellation)).ToDictionary(duty => duty.Name, duty => duty.DueAt - lease.IssuedAt!.Value);
        duties.ShouldBe(
            new Dictionary<string, TimeSpan>
            {
                ["renew:" + order.Lease] = Hour / 3,
                ["verify:" + order.Lease] = TimeSpan.FromMinutes(5),
                ["expire:" + order.Lease] = Terms.IdleTtl,
            },
            ignoreOrder: true);
    });

    [Fact]
    public async Task A_lease_that_takes_holders_no_more_is_not_renewed_and_one_that_is_over_is_not_verified()
    {
        await CountedAsync(100);
        var order = await ActiveAsync();
        (await Ledger.Leases.VerifiedAsync(database, order.Lease, Cancellation)).ShouldBeTrue();
        await MoveAsync(order.Lease, LeaseState.Retiring);
        var before = (await Ledger.Leases.LeaseAsync(database, order.Lease, Cancellation))!;
        (await Ledger.Leases.RenewedAsync(database, order.Lease, 2 * Hour, before.ReadAt, true, Hour, 0.5, Cancellation)).ShouldBeFalse();
        (await Ledger.Leases.VerifiedAsync(database, order.Lease, Cancellation)).ShouldBeTrue("its holders still count on it");
        await MoveAsync(order.Lease, LeaseState.Revoking);
        (await Ledger.Leases.VerifiedAsync(database, order.Lease, Cancellation)).ShouldBeFalse();
        (await Ledger.Leases.LeaseAsync(database, order.Lease, Cancellation))!.ExpiresAt.ShouldBe(before.ExpiresAt);
        await Ledger.Leases.ForgetAsync(database, order.Lease, Cancellation);
        (await Ledger.Leases.LeaseAsync(database, order.Lease, Cancellation)).ShouldNotBeNull("it is not over").State.ShouldBe(LeaseState.Revoking);
    }

    [Fact]
    public Task L4_A_lease_is_ended_only_when_nobody_holds_it_and_it_was_kept_as_long_as_it_may_be_idle() => WithoutStallAsync(async () =>
    {
        await CountedAsync(100);
        var order = await ActiveAsync();
        (await ExpireAsync(TimeSpan.Zero)).ShouldBeOfType<ExpireAnswer.Later>().Wait.ShouldBeInRange(Hour - TimeSpan.FromSeconds(20), Hour);
        await Ledger.Holders.ReleaseAsync(database, Id(0), Cancellation);
        (await ExpireAsync(Terms.IdleTtl)).ShouldBeOfType<ExpireAnswer.Later>().Wait.ShouldBeInRange(Terms.IdleTtl - TimeSpan.FromSeconds(20), Terms.IdleTtl);
        (await ExpireAsync(TimeSpan.Zero)).ShouldBeOfType<ExpireAnswer.Later>("who waited for it is still to come").Wait.ShouldBeLessThanOrEqualTo(TimeSpan.FromSeconds(5));
        await MoveAsync(order.Lease, LeaseState.Retiring);
        (await ExpireAsync(Terms.IdleTtl)).ShouldBeOfType<ExpireAnswer.Ended>().State.ShouldBe(LeaseState.Revoking);
        (await ExpireAsync(Terms.IdleTtl)).ShouldBeOfType<ExpireAnswer.Gone>();

        ValueTask<ExpireAnswer> ExpireAsync(TimeSpan idle) => Ledger.Leases.ExpireAsync(database, order.Lease, idle, Cancellation);
    });

    [Fact]
    public async Task A_lease_whose_end_has_come_is_expired_and_nobody_stays_on_one_that_is_being_revoked()
    {
        await CountedAsync(100);
        foreach (var (pod, left) in new[] { (1, TimeSpan.FromMilliseconds(200)), (2, Hour) })
        {
            var claim = Claim(pod, 1) with { Pool = "r|" + pod };
            var order = (await ClaimAsync(claim)).ShouldBeOfType<ClaimAnswer.Issue>();
            var go = (await Ledger.Issues.BeginAsync(database, order.Lease, order.Fence, "user", Fast, Cancellation)).ShouldBeOfType<BeginAnswer.Go>();
            await Ledger.Issues.IssuedAsync(database, order.Lease, order.Fence, "ref", "user", "sealed", left, go.Now, true, Cancellation);
            await ActivateAsync(order);
            if (left == Hour)
            {
                (await ClaimAsync(claim)).ShouldBeOfType<ClaimAnswer.Granted>();
                await MoveAsync(order.Lease, LeaseState.Retiring);
                await MoveAsync(order.Lease, LeaseState.Revoking);
            }
            else
            {
                ExpireAnswer? answer = null;
                await Eventually.HoldsAsync(
                    async () => (answer = await Ledger.Leases.ExpireAsync(database, order.Lease, Hour, Cancellation)) is not ExpireAnswer.Later, "its end has come", Cancellation);
                answer.ShouldBeOfType<ExpireAnswer.Ended>().State.ShouldBe(LeaseState.Expired);
            }

            (await ClaimAsync(claim with { Kind = ClaimKind.Stay })).ShouldBeOfType<ClaimAnswer.Unknown>();
        }
    }

    [Fact]
    public async Task A_lease_is_followed_by_another_and_takes_holders_until_that_works()
    {
        await CountedAsync(100);
        var first = Order(await SucceedAsync(null));
        var made = (await Ledger.Leases.LeaseAsync(database, first.Lease, Cancellation))!;
        (made.Role, made.Pool, made.MaxHolders, made.IdleTtl).ShouldBe(("r", "r", Terms.MaxHolders, Terms.IdleTtl));
        (await SucceedAsync(null)).ShouldBeOfType<SucceedAnswer.Wait>();
        await IssueAsync(first);
        (await SucceedAsync(null)).ShouldBeOfType<SucceedAnswer.Ready>();

        var next = Order(await SucceedAsync(first.Lease));
        (await ClaimAsync(Claim(1, 1))).ShouldBeOfType<ClaimAnswer.Granted>().Lease.ShouldBe(first.Lease);
        await IssueAsync(next);
        (await ClaimAsync(Claim(2, 1))).ShouldBeOfType<ClaimAnswer.Granted>().Lease.ShouldBe(next.Lease);
        var old = (await Ledger.Leases.LeaseAsync(database, first.Lease, Cancellation))!;
        (old.State, old.Reason).ShouldBe((LeaseState.Retiring, "its time"));

        ValueTask<SucceedAnswer> SucceedAsync(string? insteadOf) => Ledger.Issues.SucceedAsync(database, Fast, Terms, "r", insteadOf, "its time", Cancellation);

        static ClaimAnswer.Issue Order(SucceedAnswer answer) => answer.ShouldBeOfType<SucceedAnswer.Issue>() is var order ? new(order.Lease, order.Fence, order.StartsIn) : null!;
    }

    [Fact]
    public async Task L4_A_renewal_that_was_asked_for_earlier_takes_no_end_back()
    {
        await CountedAsync(100);
        var order = await ActiveAsync();
        var read = (await Ledger.Leases.LeaseAsync(database, order.Lease, Cancellation))!.ReadAt;
        (await RenewedAsync(2 * Hour, read)).ShouldBeTrue();
        (await RenewedAsync(2 * Hour, read - TimeSpan.FromMinutes(10))).ShouldBeFalse("it comes late");
        (await ExpiresAsync()).ShouldBe(read + (2 * Hour));
        var renew = (await Ledger.Duties.DutiesAsync(database, 10, Cancellation)).Single(duty => duty.Name == "renew:" + order.Lease);
        (renew.DueAt - read).ShouldBeLessThan(TimeSpan.FromMinutes(1), "the issuer may have carried out the late one last: it is asked again");
        (await RenewedAsync(Hour, read + TimeSpan.FromMilliseconds(1))).ShouldBeTrue();
        (await ExpiresAsync()).ShouldBe(read + Hour + TimeSpan.FromMilliseconds(1), "what the issuer said last is so");

        ValueTask<bool> RenewedAsync(TimeSpan duration, DateTimeOffset asked) => Ledger.Leases.RenewedAsync(database, order.Lease, duration, asked, true, Hour, 0.5, Cancellation);

        async Task<DateTimeOffset?> ExpiresAsync() => (await Ledger.Leases.LeaseAsync(database, order.Lease, Cancellation))!.ExpiresAt;
    }

    [Fact]
    public async Task L4_Of_two_renewals_that_were_under_way_at_once_nobody_knows_which_the_issuer_carried_out_last()
    {
        await CountedAsync(100);
        var order = await ActiveAsync();
        var first = await ReadAsync();
        await Eventually.HoldsAsync(async () => await ReadAsync() > first, "time passes", Cancellation);
        var second = await ReadAsync();
        await Eventually.HoldsAsync(async () => await ReadAsync() > second, "time passes", Cancellation);

        (await RenewedAsync(first)).ShouldBeTrue();
        (await DueInAsync()).ShouldBeGreaterThan(TimeSpan.FromMinutes(1));
        (await RenewedAsync(second)).ShouldBeTrue();
        (await Ledger.Leases.LeaseAsync(database, order.Lease, Cancellation))!.ExpiresAt.ShouldBe(second + (2 * Hour));
        (await DueInAsync()).ShouldBeLessThan(TimeSpan.FromMinutes(1), "the issuer is told the end once more");

        ValueTask<bool> RenewedAsync(DateTimeOffset asked) => Ledger.Leases.RenewedAsync(database, order.Lease, 2 * Hour, asked, true, Hour, 0.5, Cancellation);

        async Task<DateTimeOffset> ReadAsync() => (await Ledger.Leases.LeaseAsync(database, order.Lease, Cancellation))!.ReadAt;

        async Task<TimeSpan> DueInAsync() =>
            (await Ledger.Duties.DutiesAsync(database, 10, Cancellation)).Single(duty => duty.Name == "renew:" + order.Lease).DueAt - await ReadAsync();
    }

    [Fact]
    public async Task L3_A_lease_with_less_than_half_its_life_left_is_given_to_nobody_new()
    {
        await CountedAsync(100);
        var late = (await ClaimAsync(Claim(0, 1))).ShouldBeOfType<ClaimAnswer.Issue>();
        var go = (await Ledger.Issues.BeginAsync(database, late.Lease, late.Fence, "user", Fast, Cancellation)).ShouldBeOfType<BeginAnswer.Go>();
        await Ledger.Issues.IssuedAsync(database, late.Lease, late.Fence, "ref", "user", "sealed", Hour, go.Now - Hour * 0.55, true, Cancellation);
        await ActivateAsync(late);
        (await ClaimAsync(Claim(1, 1))).ShouldBeOfType<ClaimAnswer.Issue>().Lease.ShouldNotBe(late.Lease);
        (await Ledger.Leases.LeaseAsync(database, late.Lease, Cancellation))!.State.ShouldBe(LeaseState.Retiring);
    }

    [Fact]
    public async Task L12_A_pool_pauses_for_its_roles_floor_however_long_that_is()
    {
        await CountedAsync(100);
        var order = (await ClaimAsync(Claim(0, 1))).ShouldBeOfType<ClaimAnswer.Issue>();
        await Ledger.Issues.FailAsync(database, order.Lease, order.Fence, false, "no", Hour, Cancellation);
        (await ClaimAsync(Claim(0, 1))).ShouldBeOfType<ClaimAnswer.Failed>().RetryIn.ShouldBeInRange(Hour - TimeSpan.FromMinutes(1), Hour);
    }

    [Fact]
    public async Task L12_A_pools_pause_doubles_with_each_failure_in_a_row_and_begins_anew_after_a_success()
    {
        await CountedAsync(100);
        var floor = TimeSpan.FromMilliseconds(300);
        var (failures, order) = (0, await NextAsync());
        await SeenAsync(2);
        await IssueAsync(order);
        await MoveAsync((await ClaimAsync(Claim(0, 1))).ShouldBeOfType<ClaimAnswer.Granted>().Lease, LeaseState.Retiring);
        await Ledger.Holders.ReleaseAsync(database, Id(0), Cancellation);
        (failures, order) = (0, await NextAsync());
        await SeenAsync(1);

        // Fails until so many pauses were seen. One that was over before anybody asked was not: the next is twice as long.
        async Task SeenAsync(int pauses)
        {
            while (pauses > 0)
            {
                var from = (await BudgetAsync()).Now;
                await Ledger.Issues.FailAsync(database, order.Lease, order.Fence, false, "no", floor, Cancellation);
                var whole = floor * Math.Pow(2, failures++);
                var failed = (await Ledger.Leases.LeaseAsync(database, order.Lease, Cancellation))!;
                (failed.State, failed.Reason).ShouldBe((LeaseState.Failed, "no"));
                ((await Ledger.Duties.DutiesAsync(database, 20, Cancellation)).Single(duty => duty.Name == "reap:" + order.Lease).DueAt - failed.ReadAt)
                    .ShouldBeGreaterThan(TimeSpan.FromMinutes(9), "it stays visible for a while");
                var answer = await ClaimAsync(Claim(0, 1));
                var passed = (await BudgetAsync()).Now - from;
                if (answer is ClaimAnswer.Issue next)
                {
                    passed.ShouldBeGreaterThanOrEqualTo(whole);
                    order = next;
                    continue;
                }

                answer.ShouldBeOfType<ClaimAnswer.Failed>().RetryIn.ShouldBeInRange(whole - passed, whole);
                pauses--;
                order = await NextAsync();
            }
        }

        async Task<ClaimAnswer.Issue> NextAsync()
        {
            ClaimAnswer? answer = null;
            await Eventually.HoldsAsync(async () => (answer = await ClaimAsync(Claim(0, 1))) is not ClaimAnswer.Failed, "the pause is over", Cancellation);
            return answer.ShouldBeOfType<ClaimAnswer.Issue>();
        }
    }
}
