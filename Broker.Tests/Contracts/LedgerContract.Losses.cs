using Broker.Core.Ledger;
using Broker.Core.Model;
using Broker.Tests.Ledger;
using Shouldly;
using Xunit;

namespace Broker.Tests.Contracts;

/// <summary>What replicas put back after the ledger lost something (L8).</summary>
public abstract partial class LedgerContract
{
    [Fact]
    public Task L8_What_is_put_back_is_as_it_was_and_nothing_new_is_granted_meanwhile() => WithoutStallAsync(async () =>
    {
        (await RestoreAsync("1", Remembered("lost", Hour * 0.6), Holder(1, 4), Holder(2, 3))).ShouldBe(2);
        await CountedAsync(100);
        (await ClaimAsync(Claim(1, 9))).ShouldBeOfType<ClaimAnswer.Stale>("others may know better what it holds");
        (await ClaimAsync(Claim(3, 1))).ShouldBeOfType<ClaimAnswer.Stale>();
        (await ClaimAsync(Claim(4, 1) with { Pool = "other" })).ShouldBeOfType<ClaimAnswer.Stale>("others may still put back what they remember");

        (await RestoreAsync("1", Remembered("lost", Hour), Holder(1, 9))).ShouldBe(0, "that memory is no later");
        (await RestoreAsync("1", null, Holder(2, 2) with { Mark = 4 })).ShouldBe(0, "and that one is older");
        var lease = (await Ledger.Leases.LeasesAsync(database, 10, Cancellation)).ShouldHaveSingleItem();
        (lease.Id, lease.State, lease.Role, lease.Pool, lease.Username, lease.IssuerId, lease.SealedLogin, lease.VerifiedAt, lease.Reason)
            .ShouldBe(("lost", LeaseState.Active, "r", "r", "user", "ref", "sealed", null, "put back"));
        (lease.Holders, lease.Connections, lease.MaxHolders, lease.IdleTtl, lease.Life, lease.Renewable).ShouldBe((2, 7, 9, Terms.IdleTtl, Hour, true));
        lease.IssuedAt.ShouldBe(Issued);
        (await BudgetAsync()).Roles.ShouldBe([new("r", 2, 7, 0, 0)]);
        var duties = (await Ledger.Duties.DutiesAsync(database, 10, Cancellation)).ToDictionary(duty => duty.Name, duty => duty.DueAt - lease.ReadAt);
        duties.Keys.ShouldBe(["sample", "renew:lost", "verify:lost", "expire:lost"], ignoreOrder: true);
        duties["expire:lost"].ShouldBeLessThanOrEqualTo(Terms.IdleTtl);

        (await Ledger.Leases.ExpireAsync(database, "lost", TimeSpan.Zero, Cancellation)).ShouldBeOfType<ExpireAnswer.Later>().Wait.ShouldBeLessThanOrEqualTo(TimeSpan.FromSeconds(6));
        (await Ledger.Leases.VerifiedAsync(database, "lost", Cancellation)).ShouldBeTrue();
        (await ClaimAsync(Claim(3, 1))).ShouldBeOfType<ClaimAnswer.Stale>("its login works, and what is free is still not known");
    });

    [Fact]
    public async Task L8_A_lease_that_is_put_back_late_in_its_life_takes_nobody_new_and_no_holder_outlives_it()
    {
        (await RestoreAsync("1", Remembered("old", Hour * 0.4), new RememberedHolder(Id(1), "old", 4, Hour, 5, "caller"))).ShouldBe(1);
        var lease = (await Ledger.Leases.LeaseAsync(database, "old", Cancellation))!;
        lease.State.ShouldBe(LeaseState.Retiring);
        (await Ledger.Holders.HoldersAsync(database, "old", 10, Cancellation)).ShouldHaveSingleItem().ShouldSatisfyAllConditions(
            holder => (holder.Id, holder.Connections, holder.Caller, holder.Waiting).ShouldBe((Id(1), 4, "caller", false)),
            holder => holder.EndsAt.ShouldBe(lease.ExpiresAt!.Value));
    }

    [Fact]
    public async Task L8_A_lease_that_cannot_be_renewed_and_is_put_back_is_followed_by_another()
    {
        var remembered = Remembered("short", Hour * 0.9);
        await RestoreAsync("1", remembered with { Record = remembered.Record with { Renewable = false } });
        var duties = (await Ledger.Duties.DutiesAsync(database, 10, Cancellation)).ToDictionary(duty => duty.Name, duty => duty.DueAt);
        duties.ShouldNotContainKey("renew:short");
        duties["rotate:short"].ShouldBe((await Ledger.Leases.LeaseAsync(database, "short", Cancellation))!.ExpiresAt!.Value - Hour * 0.625, TimeSpan.FromMilliseconds(1));
    }

    [Fact]
    public async Task L8_Holders_of_a_lease_that_nobody_remembers_are_counted()
    {
        (await RestoreAsync("1", null, Holder(1, 4))).ShouldBe(1);
        (await BudgetAsync()).Granted.ShouldBe(4);
        (await Ledger.Leases.LeasesAsync(database, 10, Cancellation)).ShouldBeEmpty();
    }

    [Fact]
    public async Task L10_A_holder_that_was_released_before_the_ledger_heard_of_it_again_is_not_put_back()
    {
        await Ledger.Holders.ReleaseAsync(database, Id(1), Cancellation);

        (await RestoreAsync("1", null, Holder(1, 4), Holder(2, 3))).ShouldBe(1);

        (await BudgetAsync()).Granted.ShouldBe(3);
    }

    [Fact]
    public async Task L3_Leases_that_the_ledger_still_knows_are_tried_again_after_a_loss_and_once_only()
    {
        await CountedAsync(100);
        var order = await ActiveAsync();
        await RestoreAsync("1", null);
        (await VerifiedAtAsync()).ShouldBeNull();
        (await ClaimAsync(Claim(1, 1))).ShouldBeOfType<ClaimAnswer.Stale>();
        (await Ledger.Duties.DutiesAsync(database, 10, Cancellation)).Single(duty => duty.Name == "verify:" + order.Lease).DueAt
            .ShouldBeLessThanOrEqualTo((await BudgetAsync()).Now, "somebody asked for it");
        await Ledger.Leases.VerifiedAsync(database, order.Lease, Cancellation);
        await RestoreAsync("1", null);
        (await VerifiedAtAsync()).ShouldNotBeNull("that loss was noticed before");
        await RestoreAsync("2", null);
        (await VerifiedAtAsync()).ShouldBeNull();

        async Task<DateTimeOffset?> VerifiedAtAsync() => (await Ledger.Leases.LeaseAsync(database, order.Lease, Cancellation))!.VerifiedAt;
    }

    [Fact]
    public async Task L4_A_call_that_takes_long_lengthens_no_lease_that_is_put_back()
    {
        var now = (await BudgetAsync()).Now;
        var lease = Remembered("lost", TimeSpan.FromMinutes(10)) with { EndsAt = now + TimeSpan.FromMinutes(10) };
        await RestoreAsync("1", lease);

        // What it told was seven seconds on its way.
        await RestoreAsync("2", lease with { EndsIn = lease.EndsIn + TimeSpan.FromSeconds(7) });

        (await EndAsync()).ShouldBe(lease.EndsAt);
        await RestoreAsync("3", lease with { EndsIn = lease.EndsIn + TimeSpan.FromHours(1) });
        (await EndAsync()).ShouldNotBeNull().ShouldBeGreaterThan(lease.EndsAt + TimeSpan.FromMinutes(59), "another clock goes on from the ledger's: what is left counts");

        async Task<DateTimeOffset?> EndAsync() => (await Ledger.Leases.LeaseAsync(database, "lost", Cancellation))!.ExpiresAt;
    }

    [Fact]
    public async Task L8_A_replica_hears_of_all_holders_that_left_at_one_mark()
    {
        var since = (await Ledger.Duties.DueAsync(database, [], 0, Hour, Cancellation)).HeardTo;
        var mark = since + 10;
        var left = Enumerable.Range(1, 2100).Select(pod => new GoneHolder(Id(pod), mark, Stays: pod % 2 == 0)).ToArray();
        foreach (var some in left.Chunk(500)) await Ledger.Leases.RestoreAsync(database, "1", [], [], some, 0.5, "put back", Cancellation);
        await Ledger.Leases.RestoreAsync(database, "1", [], [], [new GoneHolder(Id(3000), mark + 5, Stays: false)], 0.5, "put back", Cancellation);

        var first = await HearAsync(since);

        first.Moved.Select(gone => gone.Id).ShouldBe(left.Select(gone => gone.Id), ignoreOrder: true);
        first.Moved.ShouldAllBe(gone => !gone.Stays, "no holder of theirs is known");
        (await HearAsync(mark)).Moved.ShouldContain(gone => gone.Id == Id(3000) && gone.Mark == mark + 5);

        ValueTask<DueAnswer> HearAsync(long from) => Ledger.Duties.DueAsync(database, [], 0, Hour, Cancellation, since: from);
    }

    private static readonly DateTimeOffset Issued = DateTimeOffset.UnixEpoch + TimeSpan.FromDays(20_000);

    private static RememberedHolder Holder(int pod, int connections) => new(Id(pod), "lost", connections, TimeSpan.FromMinutes(20), 5, "caller");

    private static RememberedLease Remembered(string id, TimeSpan endsIn) => RememberedLeases.Active(id, "", Issued, Terms, endsIn);

    private ValueTask<int> RestoreAsync(string epoch, RememberedLease? lease, params RememberedHolder[] holders) =>
        Ledger.Leases.RestoreAsync(database, epoch, lease is null ? [] : [lease], holders, [], 0.5, "put back", Cancellation);
}
