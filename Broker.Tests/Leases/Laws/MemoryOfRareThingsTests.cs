using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>Rare records are not lost: fencing numbers, ceilings, exchanged sessions, limits.</summary>
public sealed class MemoryOfRareThingsTests : LedgerSequence
{
    [Fact]
    public async Task L1_A_late_writer_with_an_old_fencing_number_changes_nothing_of_an_active_lease()
    {
        await CountAsync(100);
        var order = await ActiveAsync();
        (await Ledger.Issues.IssuedAsync(Database, order.Lease, order.Fence - 1, "ref-late", "user-late", "sealed-late", Hour, Clock.Now, true, Cancellation)).ShouldBeFalse();
        var lease = (await Ledger.Leases.LeaseAsync(Database, order.Lease, Cancellation))!;
        (lease.State, lease.Username, lease.IssuerId).ShouldBe((LeaseState.Active, "user", "ref"));
    }

    [Fact]
    public async Task L1_A_fencing_number_is_not_given_twice_for_a_lease_after_a_fallback()
    {
        var (a, b) = (AnotherReplica(), AnotherReplica());
        await CountAsync(100);
        (await AskAsync(Claim(5, 1) with { Pool = "x" }, b, Slow)).ShouldBeOfType<ClaimAnswer.Issue>();
        (await AskAsync(Claim(0, 1) with { IssueWait = TimeSpan.Zero }, b, Slow)).ShouldBeOfType<ClaimAnswer.Throttled>();
        Clock.Now += 2 * Second;
        var copy = Store.Copy();
        var one = (await AskAsync(Claim(0, 1), a)).ShouldBeOfType<ClaimAnswer.Issue>();
        Store.PutBack(copy);
        var two = (await AskAsync(Claim(1, 1), b)).ShouldBeOfType<ClaimAnswer.Issue>();
        two.Lease.ShouldBe(one.Lease);
        two.Fence.ShouldNotBe(one.Fence);
        (await a.Issues.BeginAsync(Database, one.Lease, one.Fence, "user-A", Fast, Cancellation)).ShouldBeOfType<BeginAnswer.Overtaken>();
        (await b.Issues.BeginAsync(Database, two.Lease, two.Fence, "user-B", Fast, Cancellation)).ShouldBeOfType<BeginAnswer.Go>();
    }

    [Fact]
    public async Task L1_An_order_to_issue_is_not_lost_beside_a_claim_that_is_late()
    {
        await CountAsync(100);
        await ActiveAsync();
        await Ledger.Holders.ReleaseAsync(Database, Id(0), Cancellation);
        var answers = await AnotherReplica().Claims.ClaimAsync(Database, Fast, 100, [Claim(0, 1), Claim(1, 1) with { Pool = "q" }, Claim(2, 1)], Cancellation);
        answers.Select(answer => answer.GetType().Name).ShouldBe(["Granted", "Issue", "Granted"], "nobody else is told to issue it");
    }

    [Fact]
    public async Task L1_Fencing_numbers_grow_also_while_the_clock_falls_back()
    {
        await CountAsync(100);
        var last = 0L;
        for (var pod = 0; pod < 5; pod++)
        {
            var order = (await AskAsync(Claim(pod, 1) with { Pool = "p" + pod })).ShouldBeOfType<ClaimAnswer.Issue>();
            order.Fence.ShouldBeGreaterThan(last);
            last = order.Fence;
            Clock.Now -= Second;
        }
    }

    [Fact]
    public async Task L2_L8_A_ceiling_that_a_DBA_set_is_in_force_after_the_ledger_was_emptied()
    {
        await using var world = new World(capacity: 100);
        var a = await world.ReplicaAsync();
        await world.PassAsync(a.AskAsync(World.Ask(0, 5)), Minute);
        (await a.Ceilings.SetAsync(World.Ask(0).Caller, Database, 10, "maintenance", World.From, default)).ShouldBeNull();
        await world.PassAsync(5 * Second);
        (await world.PassAsync(a.AskAsync(World.Ask(1, 10)), Minute)).Grant.ShouldBeNull("10 is the ceiling, 5 are granted");
        world.Flush();
        await world.PassAsync(10 * Second);
        var got = 0;
        foreach (var pod in Enumerable.Range(2, 4)) got += (await world.PassAsync(a.AskAsync(World.Ask(pod, 10, wait: 10 * Second)), Minute)).Grant?.Connections ?? 0;
        got.ShouldBeLessThanOrEqualTo(5, "the DBA's ceiling is 10, of which 5 are pod 0's");
    }

    [Fact]
    public async Task L8_Of_two_texts_that_replicas_share_the_later_is_put_back_after_a_fallback()
    {
        var (a, b) = (AnotherReplica(), AnotherReplica());
        (await a.Texts.ReplaceSharedAsync("t", null, "first", Cancellation)).ShouldBeTrue();
        (await b.Texts.ReadSharedAsync("t", Cancellation))!.Value.Text.ShouldBe("first");
        var copy = Store.Copy();
        Clock.Now += Second;
        (await a.Texts.ReplaceSharedAsync("t", "first", "second", Cancellation)).ShouldBeTrue();
        Store.PutBack(copy);
        (await b.Texts.ReadSharedAsync("t", Cancellation))!.Value.Text.ShouldBe("first", "B knows no better");
        (await a.Texts.ReadSharedAsync("t", Cancellation))!.Value.Text.ShouldBe("second");
        (await b.Texts.ReadSharedAsync("t", Cancellation))!.Value.Text.ShouldBe("second", "A has put it back");
        Store.PutBack(InProcessLedgerStore.Empty());
        (await b.Texts.ReadSharedAsync("t", Cancellation))!.Value.Text.ShouldBe("second");
    }

    [Fact]
    public async Task L8_A_text_that_was_replaced_while_the_clock_fell_back_is_the_later_one()
    {
        var (a, b) = (AnotherReplica(), AnotherReplica());
        await a.Texts.ReplaceSharedAsync("t", null, "first", Cancellation);
        Clock.Now -= 10 * Minute;
        (await b.Texts.ReplaceSharedAsync("t", "first", "second", Cancellation)).ShouldBeTrue();
        (await a.Texts.ReadSharedAsync("t", Cancellation))!.Value.Text.ShouldBe("second");
    }

    [Fact]
    public async Task L2_A_share_of_which_parts_were_lost_is_told_of_them_before_anybody_new_gets_one()
    {
        var shares = new ShareLedger(Store);
        await SettledAsync();
        Share[] limit = [new("caller:x", 0, 20)];
        (await shares.TakeAsync(Id(1), 20, 20, 30 * Minute, within: Minute, limit, Cancellation)).Connections.ShouldBe(20);
        Store.PutBack(InProcessLedgerStore.Empty());
        await Should.ThrowAsync<LedgerException>(async () => await shares.TakeAsync(Id(2), 20, 20, 30 * Minute, within: Minute, limit, Cancellation), "others may still tell");
        Clock.Now += 10 * Second;
        var full = (await shares.TakeAsync(Id(2), 20, 20, 30 * Minute, within: Minute, limit, Cancellation)).Full.ShouldNotBeNull();
        (full.Holders, full.Connections).ShouldBe((1, 20), "the caller's holder with 20 is there again");
        (await shares.TakeAsync(Id(1), 20, 20, 30 * Minute, within: Minute, limit, Cancellation)).Connections.ShouldBe(20);
    }

    [Fact]
    public async Task L2_A_replica_that_takes_nothing_tells_its_parts_in_its_rounds()
    {
        var (a, b) = (new ShareLedger(Store), new ShareLedger(Store));
        await SettledAsync();
        Share[] limit = [new("caller:x", 0, 20)];
        await a.TakeAsync(Id(1), 20, 20, 30 * Minute, within: Minute, limit, Cancellation);
        Store.PutBack(InProcessLedgerStore.Empty());
        await a.KeepAsync(Cancellation);
        Clock.Now += 10 * Second;
        (await b.TakeAsync(Id(2), 20, 20, 30 * Minute, within: Minute, limit, Cancellation)).Full.ShouldNotBeNull();
    }

    [Fact]
    public async Task L7_A_token_that_was_exchanged_cannot_be_exchanged_again_after_a_loss_with_any_replica()
    {
        var (a, b) = (new SessionLedger(Store), new SessionLedger(Store));
        using var hearing = b.Listen(_ => { });
        await SettledAsync();
        (await a.OpenAsync("s1", "t", Hour, Hour, 10, "hash", Hour, Cancellation)).Opening.ShouldBe(SessionOpening.Open);
        Store.PutBack(InProcessLedgerStore.Empty());
        (await a.OpenAsync("s2", "t", Hour, Hour, 10, "hash", Hour, Cancellation)).Opening.ShouldBe(SessionOpening.TokenUsed);
        (await b.OpenAsync("s3", "t", Hour, Hour, 10, "hash", Hour, Cancellation)).Opening.ShouldBe(SessionOpening.TokenUsed);
        (await b.OpenAsync("s4", "t", Hour, Hour, 10, "other", Hour, Cancellation)).Opening.ShouldBe(SessionOpening.Unsettled, "a third replica may know that it was exchanged");
        Clock.Now += 10 * Second;
        (await b.OpenAsync("s4", "t", Hour, Hour, 10, "other", Hour, Cancellation)).Opening.ShouldBe(SessionOpening.Open);
    }

    [Fact]
    public async Task L7_A_replica_that_opens_nothing_tells_in_its_rounds_which_tokens_were_exchanged()
    {
        var (a, b) = (new SessionLedger(Store), new SessionLedger(Store));
        await SettledAsync();
        (await a.OpenAsync("s1", "t", Hour, Hour, 10, "hash", Hour, Cancellation)).Opening.ShouldBe(SessionOpening.Open);
        Store.PutBack(InProcessLedgerStore.Empty());
        await a.KeepAsync(Cancellation);
        Clock.Now += 10 * Second;
        (await b.OpenAsync("s2", "t", Hour, Hour, 10, "hash", Hour, Cancellation)).Opening.ShouldBe(SessionOpening.TokenUsed);
    }

    [Fact]
    public async Task L7_A_token_that_was_exchanged_cannot_be_exchanged_again_after_a_loss_with_a_replica_that_started_since()
    {
        var a = new SessionLedger(Store);
        await SettledAsync();
        (await a.OpenAsync("s1", "t", Hour, Hour, 10, "hash", Hour, Cancellation)).Opening.ShouldBe(SessionOpening.Open);
        var later = new SessionLedger(Store);
        Store.PutBack(InProcessLedgerStore.Empty());
        (await later.OpenAsync("s2", "t", Hour, Hour, 10, "hash", Hour, Cancellation)).Opening.ShouldNotBe(SessionOpening.Open, "others may still tell");
        (await a.OpenAsync("s3", "t", Hour, Hour, 10, "other", Hour, Cancellation)).Opening.ShouldNotBe(SessionOpening.Open, "and so it tells");
        Clock.Now += 10 * Second;
        (await later.OpenAsync("s2", "t", Hour, Hour, 10, "hash", Hour, Cancellation)).Opening.ShouldBe(SessionOpening.TokenUsed);
        (await later.OpenAsync("s4", "t", Hour, Hour, 10, "another", Hour, Cancellation)).Opening.ShouldBe(SessionOpening.Open);
    }

    [Fact]
    public async Task L7_A_replica_that_started_after_an_exchange_knows_of_it_when_the_one_that_made_it_is_gone()
    {
        var a = new SessionLedger(Store);
        await SettledAsync();
        (await a.OpenAsync("s1", "t", Hour, Hour, 10, "hash", Hour, Cancellation)).Opening.ShouldBe(SessionOpening.Open);
        var later = new SessionLedger(Store);
        await later.KeepAsync(Cancellation);
        Store.PutBack(InProcessLedgerStore.Empty());
        await later.KeepAsync(Cancellation);
        Clock.Now += 10 * Second;
        (await later.OpenAsync("s2", "t", Hour, Hour, 10, "hash", Hour, Cancellation)).Opening.ShouldBe(SessionOpening.TokenUsed);
        (await new SessionLedger(Store).OpenAsync("s3", "t", Hour, Hour, 10, "hash", Hour, Cancellation)).Opening.ShouldBe(SessionOpening.TokenUsed, "it told the ledger");
    }

    // A ledger that is new opens no session and gives no part of a share until those who remember some would have said so.
    private async Task SettledAsync()
    {
        await new SessionLedger(Store).KeepAsync(Cancellation);
        await new ShareLedger(Store).KeepAsync(Cancellation);
        Clock.Now += DutyLedger.Settling;
    }
}
