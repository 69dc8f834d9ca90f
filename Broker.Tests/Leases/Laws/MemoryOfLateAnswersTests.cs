using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>
/// What was decided just before a loss is answered when its replica has told all that it remembered: that is told as well, and no caller
/// was told anything that nobody remembers.
/// </summary>
public sealed class MemoryOfLateAnswersTests : LedgerSequence
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task L10_A_release_that_is_answered_after_a_loss_was_told_is_told_too(bool emptied)
    {
        await using var world = new World(capacity: 20);
        var (a, b) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var grant = (await world.PassAsync(a.AskAsync(World.Ask(0, 5)), Minute)).Grant!;
        await world.PassAsync(Second);
        var copy = world.Store.Copy();
        var onItsWay = Hold(a, Decision.Release);
        a.Link.LosesSignals = true; // it would hear of what it did itself
        var release = a.Holders.ReleaseAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default).AsTask();
        await LoseAsync(world, b, emptied ? InProcessLedgerStore.Empty() : copy);
        (await CountAsync(world)).ShouldBe(6, "nobody has heard of the release");

        onItsWay.SetResult();
        (await world.PassAsync(release, Minute)).ShouldBeNull();

        await world.PassAsync(Second);
        (await CountAsync(world)).ShouldBe(1, "it has left");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task L10_A_holder_that_is_released_twice_is_remembered_to_have_left(bool emptied)
    {
        await using var world = new World(capacity: 20);
        var (a, b) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var grant = (await world.PassAsync(a.AskAsync(World.Ask(0, 5)), Minute)).Grant!;
        await world.PassAsync(Second);
        var copy = world.Store.Copy();
        a.Link.LosesSignals = b.Link.LosesSignals = true;
        (await a.Holders.ReleaseAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default)).ShouldBeNull();
        (await a.Holders.ReleaseAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default))!.Code.ShouldBe(RefusalCode.HolderUnknown);

        await LoseAsync(world, b, emptied ? InProcessLedgerStore.Empty() : copy);

        (await CountAsync(world)).ShouldBe(1, "it has left");
    }

    [Fact]
    public async Task L10_A_holder_that_leaves_where_the_ledger_has_lost_it_unnoticed_is_not_put_back()
    {
        await using var world = new World(capacity: 20);
        var (a, b, c) = (await world.ReplicaAsync(), await world.ReplicaAsync(), await world.ReplicaAsync());
        var grant = (await world.PassAsync(a.AskAsync(World.Ask(0, 5)), Minute)).Grant!;
        (await world.PassAsync(b.AskAsync(World.Ask(1, 1)), Minute)).Grant.ShouldNotBeNull();
        await world.PassAsync(Second);

        world.Store.PutBack(InProcessLedgerStore.Empty());
        (await c.Holders.ReleaseAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default))!.Code.ShouldBe(RefusalCode.HolderUnknown);
        await world.PassAsync(3 * Second);

        (await CountAsync(world)).ShouldBe(1, "it has left, and the other one is put back");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task L2_A_grant_that_is_answered_after_a_loss_was_told_is_told_too(bool emptied)
    {
        await using var world = new World(capacity: 20);
        var (a, b) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        (await world.PassAsync(a.AskAsync(World.Ask(0, 5)), Minute)).Grant.ShouldNotBeNull();
        await world.PassAsync(Second);
        var copy = world.Store.Copy();
        var onItsWay = Hold(a, Decision.Claim);
        var claim = a.AskAsync(World.Ask(2, 5));
        await LoseAsync(world, b, emptied ? InProcessLedgerStore.Empty() : copy);
        (await CountAsync(world)).ShouldBe(6, "nobody has heard of the grant");

        onItsWay.SetResult();
        (await world.PassAsync(claim, Minute)).Grant!.Connections.ShouldBe(5);

        await world.PassAsync(Second);
        (await CountAsync(world)).ShouldBe(11, "pods were told of 5, 1 and 5");
    }

    [Fact]
    public async Task L2_A_grant_for_which_the_database_is_asked_to_let_its_user_open_more_is_remembered_before_that()
    {
        await using var world = new World(database: World.Orders with { Budget = World.Orders.Budget with { Enforce = true } }, capacity: 20);
        var (a, b) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        (await world.PassAsync(b.AskAsync(World.Ask(1, 1)), Minute)).Grant.ShouldNotBeNull();
        await world.PassAsync(20 * Second); // its cap is lowered to what its holder has
        var capped = new TaskCompletionSource();
        world.Engine.OnCap = () => capped.Task;
        var copy = world.Store.Copy();
        var claim = a.AskAsync(World.Ask(0, 5));
        await world.IdleAsync();
        claim.IsCompleted.ShouldBeFalse("the database takes its time");
        world.Store.PutBack(copy);
        await world.PassAsync(2 * Second);
        (await CountAsync(world)).ShouldBe(6, "its replica remembers what it was granted");
        capped.SetResult();
        (await world.PassAsync(claim, Minute)).Grant!.Connections.ShouldBe(5);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task L2_A_grant_that_is_answered_after_its_release_was_heard_of_is_not_remembered(bool anotherLeft)
    {
        await using var world = new World(capacity: 6);
        var (a, b) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var other = (await world.PassAsync(a.AskAsync(World.Ask(2, 1)), Minute)).Grant!;
        a.Link.LosesSignals = true;
        await world.PassAsync(Second);
        var onItsWay = Hold(a, Decision.Claim);
        var claim = a.AskAsync(World.Ask(0, 5));
        await world.IdleAsync();
        var granted = (await world.Ledger.Holders.HoldersAsync(Database, null, 10, default)).Single(holder => holder.Connections == 5).Id;
        (await b.Holders.ReleaseAsync(World.Ask(0).Caller, granted, World.From, default)).ShouldBeNull();
        await world.PassAsync(Second); // its replica hears of that in its rounds
        (await world.PassAsync(b.AskAsync(World.Ask(1, 5)), Minute)).Grant.ShouldNotBeNull();
        if (anotherLeft) (await a.Holders.ReleaseAsync(World.Ask(2).Caller, other.Holder.Id, World.From, default)).ShouldBeNull();

        onItsWay.SetResult();
        await world.PassAsync(claim, Minute);

        a.Link.Cut();
        (await a.AskAsync(World.Ask(0, 5))).Grant.ShouldBeNull("it has left, and 5 of 6 are pod 1's");
    }

    [Fact]
    public async Task L2_The_mark_of_an_answer_is_its_own_though_a_later_one_came_before_it()
    {
        var client = new LedgerClient(Store);
        (await client.TakeMarkedAsync(Decision.Release, Database, new(Id(0), Till: null), Cancellation)).Mark.ShouldBeGreaterThan(0);
        (await client.TakeMarkedAsync(Decision.Budget, Database, new(["r"]), Cancellation)).Mark.ShouldBe(0, "it changed nothing");
    }

    [Fact]
    public async Task L10_A_claim_that_was_sent_before_a_release_is_late_also_on_a_ledger_that_was_told_of_the_release()
    {
        await CountAsync(10);
        await ActiveAsync();
        var (releases, late) = (AnotherReplica(), AnotherReplica());
        (await AskAsync(Claim(1, 5), late)).ShouldBeOfType<ClaimAnswer.Granted>();
        var copy = Store.Copy();
        var left = await releases.Holders.ReleaseAsync(Database, Id(1), Cancellation);
        left.Had.ShouldNotBeNull();
        Store.PutBack(copy);
        await releases.Leases.RestoreAsync(Database, "told", [], [], [new(Id(1), left.Mark, Stays: false)], 0.5, "lost", Cancellation);
        Clock.Now += 6 * Second;
        await CountAsync(10);
        (await GrantedAsync()).ShouldBe(1, "pod 0's");
        (await AskAsync(Claim(1, 5), late)).ShouldBeOfType<ClaimAnswer.Late>("its replica has not heard of the release");
        (await AskAsync(Claim(1, 5), late)).ShouldNotBeOfType<ClaimAnswer.Late>("it has now, and asks still");
    }

    // Holds back the answer to one decision of a replica.
    private static TaskCompletionSource Hold(World.Replica replica, Decision decision)
    {
        var held = new TaskCompletionSource();
        var first = true;
        replica.Link.OnTheWayBack = taken =>
        {
            if (taken != decision || !first) return Task.CompletedTask;
            first = false;
            return held.Task;
        };
        return held;
    }

    // The ledger is left with what it has here; the other replica, whose last grant that lacks, notices, and both tell what they remember.
    private static async Task LoseAsync(World world, World.Replica other, Keyspace with)
    {
        await world.IdleAsync();
        (await world.PassAsync(other.AskAsync(World.Ask(1, 1)), Second)).Grant.ShouldNotBeNull();
        world.Store.PutBack(with);
        await world.PassAsync(2 * Second);
    }

    private static async Task<int> CountAsync(World world) => (await world.Ledger.Budgets.BudgetAsync(Database, [], default)).Granted;
}
