using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>Every replica finds out for itself what the ledger lost, before the ledger grants or ends anything.</summary>
public sealed class MemoryOfALossTests : LedgerSequence
{
    [Fact]
    public async Task L8_A_loss_is_noticed_by_who_saw_it_though_others_wrote_more_since()
    {
        var (a, b) = (AnotherReplica(), AnotherReplica());
        await CountAsync(20);
        await ActiveAsync(b);
        var copy = Store.Copy();
        (await AskAsync(Claim(1, 15), a)).ShouldBeOfType<ClaimAnswer.Granted>();
        Store.PutBack(copy);
        (await AskAsync(Claim(2, 1), b)).ShouldBeOfType<ClaimAnswer.Granted>("nobody can know yet");
        (await AskAsync(Claim(3, 1), b)).ShouldBeOfType<ClaimAnswer.Granted>("nobody can know yet");
        (await AskAsync(Claim(4, 15), a)).ShouldBeOfType<ClaimAnswer.Stale>("A granted 15 of 20 to pod 1 a moment ago, which the ledger lost");
        (await AskAsync(Claim(5, 1), b)).ShouldBeOfType<ClaimAnswer.Stale>("now everybody knows");
    }

    [Fact]
    public async Task L8_A_count_from_before_a_loss_is_believed_no_more()
    {
        var (a, b) = (AnotherReplica(), AnotherReplica());
        await CountAsync(20);
        var lease = (await ActiveAsync(b)).Lease;
        var copy = Store.Copy();
        (await AskAsync(Claim(1, 15), a)).ShouldBeOfType<ClaimAnswer.Granted>();
        var looked = Clock.Now;
        Clock.Now += Second;
        Store.PutBack(copy);
        (await AskAsync(Claim(1, 15), a)).ShouldBeOfType<ClaimAnswer.Stale>("that is how the loss is found; the replica dies before it has told");
        Clock.Now += 6 * Second;
        (await b.Leases.VerifiedAsync(Database, lease, Cancellation)).ShouldBeTrue();

        (await AskAsync(Claim(2, 15), b)).ShouldBeOfType<ClaimAnswer.Stale>("pod 1 may have opened its 15 of 20 since the last count");
        (await BudgetAsync()).LostSince.ShouldBeTrue();
        await b.Budgets.SampleAsync(Database, 20, 200, 3, 20, 0, 15 * Second, Cancellation, grantedAt: looked);
        (await AskAsync(Claim(2, 15), b)).ShouldBeOfType<ClaimAnswer.Stale>("that count was on its way when the ledger lost something");
        await CountAsync(5);
        (await AskAsync(Claim(2, 15), b)).ShouldBeOfType<ClaimAnswer.Exhausted>("pod 1's connections are seen to be open");
        (await BudgetAsync()).LostSince.ShouldBeFalse();

        async Task<BudgetRecord> BudgetAsync() => await b.Budgets.BudgetAsync(Database, [], Cancellation);
    }

    [Fact]
    public async Task L8_Whatever_a_replica_asks_first_tells_that_what_it_wrote_is_lost()
    {
        await CountAsync(20);
        await ActiveAsync();
        Store.PutBack(InProcessLedgerStore.Empty());
        await GrantedAsync();
        await CountAsync(20);
        (await AskAsync(Claim(4, 15), AnotherReplica())).ShouldBeOfType<ClaimAnswer.Stale>();
    }

    [Theory]
    [InlineData(10, 1)]
    [InlineData(600, 11)]
    public async Task L4_A_fallback_is_noticed_though_nobody_claims(int idleSeconds, int minutes)
    {
        await using var world = new World(World.OrdersApi with { IdleTtl = idleSeconds * Second });
        var a = await world.ReplicaAsync();
        var one = (await world.PassAsync(a.AskAsync(World.Ask(0)), Minute)).Grant!;
        (await a.Holders.ReleaseAsync(World.Ask(0).Caller, one.Holder.Id, World.From, default)).ShouldBeNull();
        var copy = world.Store.Copy();
        var two = (await world.PassAsync(a.AskAsync(World.Ask(1)), Minute)).Grant!;
        await world.PassAsync(Second);
        world.Store.PutBack(copy);
        await world.PassAsync(minutes * Minute);      // pod 1 renews after twenty minutes
        world.Issuer.Users.ShouldContainKey(two.Credentials.Login.Username, $"pod 1 holds it until {two.Holder.ExpiresAt}");
    }

    [Fact]
    public async Task L8_A_new_replica_that_is_the_first_to_ask_an_emptied_ledger_grants_nothing_before_the_others_have_spoken()
    {
        await using var world = new World(capacity: 10);
        var a = await world.ReplicaAsync();
        (await world.PassAsync(a.AskAsync(World.Ask(0, 8)), Minute)).Grant.ShouldNotBeNull();    // it has not opened them yet
        a.Link.Cut();                                                                            // Redis is away for a moment
        await world.PassAsync(TimeSpan.FromMilliseconds(300));
        world.Flush();
        a.Link.Mend();
        var c = await world.ReplicaAsync();
        var said = await world.PassAsync(c.AskAsync(World.Ask(1, 8, wait: 20 * Second)), Minute);
        await world.PassAsync(3 * Second);
        (said.Grant?.Connections ?? 0).ShouldBe(0, "8 of 10 are pod 0's");
        (await world.Ledger.Budgets.BudgetAsync(Database, [], default)).Granted.ShouldBeLessThanOrEqualTo(10);
    }

    [Fact]
    public async Task L8_A_replica_that_is_busy_with_sixteen_duties_tells_an_emptied_ledger_what_it_remembers()
    {
        await using var world = new World(World.OrdersApi with { Sharing = SharingScope.Holder, VerifyEvery = 5 * Minute }, capacity: 20);
        var a = await world.ReplicaAsync();
        var asked = await world.PassAsync(Task.WhenAll(Enumerable.Range(0, 16).Select(pod => a.AskAsync(World.Ask(pod, 1, wait: 30 * Second)))), Minute);
        asked.Count(outcome => outcome.Grant is not null).ShouldBe(16);
        var answers = new TaskCompletionSource();
        world.Engine.OnLogin = () => answers.Task;
        world.Clock.Advance(7 * Minute);
        await world.PassAsync(2 * Second);
        world.Engine.OnLogin = null;                // the sixteen still hang
        world.Flush();
        var c = await world.ReplicaAsync();
        var said = await world.PassAsync(c.AskAsync(World.Ask(100, 16, wait: 30 * Second)), Minute);
        answers.SetResult();
        await world.PassAsync(15 * Second);
        (said.Grant?.Connections ?? 0).ShouldBe(0, "16 of 20 are others'");
        (await world.Ledger.Budgets.BudgetAsync(Database, [], default)).Granted.ShouldBeLessThanOrEqualTo(20);
    }

    [Fact]
    public async Task L8_A_replica_that_has_not_told_yet_what_it_remembers_takes_no_duties()
    {
        await CountAsync(10);
        var known = (await Ledger.Duties.DueAsync(Database, [], 16, 15 * Second, Cancellation)).Epoch;
        Clock.Now += 2 * Second;
        (await DueAsync("another")).Taken.ShouldBeEmpty("telling may fail, and what was taken would stand still for fifteen seconds");
        (await DueAsync(known)).Taken.ShouldHaveSingleItem().Name.ShouldBe("sample");

        async Task<DueAnswer> DueAsync(string? epoch) => await Ledger.Duties.DueAsync(Database, ["sample"], 16, 15 * Second, Cancellation, epoch);
    }

    [Fact]
    public async Task L8_Replicas_that_tell_of_one_loss_at_once_begin_no_more_epochs_than_they_are()
    {
        await CountAsync(20);
        await ActiveAsync();
        SharedLedger[] replicas = [AnotherReplica(), AnotherReplica(), AnotherReplica(), AnotherReplica()];
        for (var i = 0; i < replicas.Length; i++)
        {
            Clock.Now += Second;
            (await AskAsync(Claim(i + 1, 1), replicas[i])).ShouldBeOfType<ClaimAnswer.Granted>();
        }

        Store.PutBack(InProcessLedgerStore.Empty());
        var begun = new HashSet<string>();
        var told = new List<string>();
        foreach (var replica in replicas)
        {
            Clock.Now += Second / 20;
            told.Add((await replica.Duties.DueAsync(Database, [], 16, 15 * Second, Cancellation)).Epoch);
            begun.Add(Epoch());
        }

        for (var call = 0; call < 3; call++)
        {
            for (var i = 0; i < replicas.Length; i++)
            {
                Clock.Now += Second / 20;
                await replicas[i].Leases.RestoreAsync(Database, told[i], [], [new(Id((10 * i) + call), "lease", 1, 30 * Minute, 1, "c")], [], 0.5, "lost", Cancellation);
                begun.Add(Epoch());
            }
        }

        begun.Count.ShouldBeLessThanOrEqualTo(replicas.Length);

        string Epoch() => Store.Copy().HashAt(LedgerKeys.Of(Database)[0])["epoch"];
    }

    [Fact]
    public async Task L8_Replicas_that_tell_in_turns_of_epochs_that_nobody_else_knows_begin_one_each()
    {
        await CountAsync(20);
        await ActiveAsync();
        var begun = new HashSet<string>();
        for (var call = 0; call < 10; call++) await TellAsync(call % 2 == 0 ? "1" : "2", Second / 20);
        begun.Count.ShouldBeLessThanOrEqualTo(2);

        // Whoever goes on telling is known, and whoever comes again much later tells of another loss.
        var known = begun.Count;
        for (var call = 0; call < 4; call++) await TellAsync("1", 20 * Second);
        begun.Count.ShouldBe(known);
        await TellAsync("1", Minute);
        begun.Count.ShouldBe(known + 1);

        async Task TellAsync(string epoch, TimeSpan after)
        {
            Clock.Now += after;
            await Ledger.Leases.RestoreAsync(Database, epoch, [], [], [], 0.5, "lost", Cancellation);
            begun.Add(Store.Copy().HashAt(LedgerKeys.Of(Database)[0])["epoch"]);
        }
    }

    [Fact]
    public async Task L8_While_replicas_go_on_telling_nothing_is_granted_for_half_a_minute_at_most()
    {
        await CountAsync(20);
        await ActiveAsync();
        var another = AnotherReplica();
        Store.PutBack(InProcessLedgerStore.Empty());
        var epoch = (await Ledger.Duties.DueAsync(Database, [], 16, 15 * Second, Cancellation)).Epoch;
        await TellAsync(49); // 4.9 seconds
        await CountAsync(20);
        (await AskAsync(Claim(100, 1), another)).ShouldBeOfType<ClaimAnswer.Stale>("5.4 seconds have passed, and half a second ago somebody told something");
        await TellAsync(260);
        await CountAsync(20);
        (await AskAsync(Claim(100, 1), another)).ShouldBeOfType<ClaimAnswer.Issue>("31.9 seconds");

        // One holder every tenth of a second, and half a second of silence.
        async Task TellAsync(int tenths)
        {
            for (var i = 0; i < tenths; i++)
            {
                Clock.Now += Second / 10;
                await Ledger.Leases.RestoreAsync(Database, epoch, [], [new($"r.{Guid.NewGuid():N}", "lease", 0, 30 * Minute, 1, "c")], [], 0.5, "lost", Cancellation);
            }

            Clock.Now += Second / 2;
        }
    }
}
