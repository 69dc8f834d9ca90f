using Broker.Core.Ledger;
using Broker.Core.Model;
using Microsoft.AspNetCore.DataProtection;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>A ledger that lost records, or was sealed with other keys.</summary>
public sealed class LedgerLossTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

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
        (await world.PassAsync(replicas[1].RenewAsync(one), Minute)).Grant!.Lease.Id.ShouldBe(one.Lease.Id);
        (await world.PassAsync(replicas[0].RenewAsync(two, 1), Minute)).Grant!.Connections.ShouldBe(4);
        world.Issuer.Made.ShouldBe(1, "the lease was remembered too");
    }

    [Fact]
    public async Task A_loss_of_what_belongs_to_no_database_leaves_no_database_to_count()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        await replica.Ledger.Texts.ReplaceSharedAsync("a text", null, "of this replica", default);
        world.Flush();
        await replica.Ledger.Texts.ReadSharedAsync("a text", default);
        (await DutiesAsync()).ShouldContain("sample");

        await world.PassAsync(() => !DutiesAsync().GetAwaiter().GetResult().Contains("sample"), Minute);
        replica.Failing("sample").ShouldBeNull();

        async Task<IReadOnlyList<string>> DutiesAsync() => [.. (await world.Ledger.Duties.DutiesAsync(SharedLedger.Issuers, 100, default)).Select(duty => duty.Name)];
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
        (await replica.Leases.RevokeAsync(World.Ask(0).Caller, first.Lease.Id, "a test", World.From, default)).ShouldBeNull();
        await world.PassAsync(() => world.Issuer.Users.IsEmpty, Minute);
        var second = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        world.Engine.RefusedUser = first.Credentials.Login.Username;
        world.Store.PutBack(copy);

        var third = (await world.PassAsync(replica.AskAsync(World.Ask(1, wait: Minute)), Minute)).Grant!;
        third.Lease.Id.ShouldNotBe(first.Lease.Id);
        (await world.PassAsync(replica.Holders.RenewAsync(World.Ask(0).Caller, second.Holder.Id, World.From, default, second.Lease.Id).AsTask(), Minute)).Grant!
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
        await world.PassAsync(() => world.Ledger.Budgets.BudgetAsync("orders", [], default).AsTask().GetAwaiter().GetResult().Granted == 8, TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task L6_A_replica_with_other_sealing_keys_is_told_so_and_hands_out_nothing_it_cannot_read()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.Seal.PassesAsync(default).AsTask(), Minute)).ShouldBeTrue();
        await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute);
        var other = await world.ReplicaAsync(new EphemeralDataProtectionProvider());
        (await Should.ThrowAsync<LedgerException>(world.PassAsync(other.Seal.PassesAsync(default).AsTask(), Minute))).Message.ShouldContain("its sealing keys differ from those of the other replicas");
        (await world.PassAsync(other.AskAsync(World.Ask(1)), Minute)).Refusal!.Code.ShouldBe(RefusalCode.LedgerUnavailable);
        (await (await world.ReplicaAsync()).Seal.PassesAsync(default)).ShouldBeTrue();
    }

    [Fact]
    public async Task L6_Sealing_keys_are_changed_by_stopping_every_replica_that_has_the_former_ones()
    {
        await using var world = new World();
        var former = await world.ReplicaAsync();
        var grant = (await world.PassAsync(former.AskAsync(World.Ask(0)), Minute)).Grant!;
        var other = await world.ReplicaAsync(new EphemeralDataProtectionProvider());
        await world.PassAsync(5 * Minute);
        (await world.PassAsync(other.AskAsync(World.Ask(1)), Minute)).Refusal!.Code.ShouldBe(RefusalCode.LedgerUnavailable, "a replica with the former keys lives");

        former.Link.Cut();
        await world.PassAsync(1.5 * Minute);

        var next = (await world.PassAsync(other.AskAsync(World.Ask(1, wait: Minute)), Minute)).Grant.ShouldNotBeNull();
        next.Lease.Id.ShouldNotBe(grant.Lease.Id, "it cannot open the former lease's login");
        (await world.LeasesAsync()).ShouldContain(lease => lease.Id == grant.Lease.Id, "whoever uses the former login keeps it");
    }

    [Fact]
    public async Task L6_A_replica_with_other_sealing_keys_is_not_quicker_than_the_others_when_the_ledger_was_away()
    {
        await using var world = new World();
        var first = await world.ReplicaAsync();
        await world.PassAsync(first.AskAsync(World.Ask(0)), Minute);
        var other = await world.ReplicaAsync(new EphemeralDataProtectionProvider());
        await world.PassAsync(TimeSpan.FromSeconds(5));
        first.Link.Cut();
        other.Link.Cut();
        await world.PassAsync(10 * Minute);

        other.Link.Mend();
        await world.PassAsync(TimeSpan.FromSeconds(5));
        first.Link.Mend();
        await world.PassAsync(2 * Minute);

        (await world.PassAsync(first.AskAsync(World.Ask(1)), Minute)).Grant.ShouldNotBeNull();
        (await world.PassAsync(other.AskAsync(World.Ask(2)), Minute)).Refusal!.Code.ShouldBe(RefusalCode.LedgerUnavailable);
    }

    [Fact]
    public async Task L3_A_login_that_was_tried_before_the_ledger_lost_something_is_tried_again_before_anybody_new_gets_it()
    {
        await using var world = new World(World.OrdersApi with { VerifyEvery = 2 * Minute });
        var replica = await world.ReplicaAsync();
        var first = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        var tries = new TaskCompletionSource();
        var held = 0;
        world.Engine.OnLogin = () => Interlocked.Increment(ref held) == 1 ? tries.Task : Task.CompletedTask;
        await world.PassAsync(() => held == 1, 5 * Minute);
        var copy = world.Store.Copy();
        await world.PassAsync(replica.AskAsync(World.Ask(1)), Minute);
        world.Store.PutBack(copy);
        await world.PassAsync(TimeSpan.FromSeconds(2));

        // It was tried before, and refused since.
        world.Engine.RefusedUser = first.Credentials.Login.Username;
        tries.SetResult();

        var next = (await world.PassAsync(replica.AskAsync(World.Ask(2, wait: 2 * Minute)), 3 * Minute)).Grant.ShouldNotBeNull();
        next.Lease.Id.ShouldNotBe(first.Lease.Id);
    }
}
