using Broker.Core.Ledger;
using Shouldly;
using Xunit;

namespace Broker.Tests.Contracts;

/// <summary>Duties: taken by one at a time, and never lost.</summary>
public abstract partial class LedgerContract
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1), Stall = TimeSpan.FromSeconds(20);

    [Fact]
    public Task A_duty_that_fails_says_how_often_since_when_and_why_until_it_is_done() => WithoutStallAsync(
    async () =>
    {
        var first = await FirstDueAsync();
        first.Failures.ShouldBe(0);
        (await DutyAsync()).ShouldSatisfyAllConditions(
            duty => duty.UnderWay.ShouldBeTrue(),
            duty => (duty.Failures, duty.FailingSince, duty.Why).ShouldBe((0, null, "")));

        await Ledger.Duties.DoneAsync(database, first, TimeSpan.Zero, "no|way", Cancellation);
        var failing = await DutyAsync();
        (failing.UnderWay, failing.Failures, failing.Why).ShouldBe((false, 1, "no|way"));

        var second = (await DueAsync()).ShouldHaveSingleItem();
        second.Failures.ShouldBe(1);
        await Ledger.Duties.DoneAsync(database, second, TimeSpan.Zero, "again", Cancellation);
        var still = await DutyAsync();
        (still.Failures, still.FailingSince, still.Why).ShouldBe((2, failing.FailingSince, "again"));

        await Ledger.Duties.DoneAsync(database, (await DueAsync()).ShouldHaveSingleItem(), Hour, null, Cancellation);
        var now = (await BudgetAsync()).Now;
        var done = await DutyAsync();
        (done.UnderWay, done.Failures, done.FailingSince, done.Why).ShouldBe((false, 0, null, ""));
        (done.DueAt - now).ShouldBeInRange(Hour - Stall, Hour);
    },
    Stall);

    [Theory]
    [InlineData(true, true)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public async Task L5_What_becomes_due_while_somebody_is_at_it_is_done_once_more(bool isSeen, bool hasNext)
    {
        await Ledger.Duties.HurryAsync(database, "verify", "lease", Cancellation);
        var taken = (await TakeAsync()).ShouldHaveSingleItem();
        taken.Name.ShouldBe("verify:lease");
        await Ledger.Duties.HurryAsync(database, "verify", "lease", Cancellation);
        if (isSeen) (await TakeAsync()).ShouldBeEmpty("one at a time is at it");
        await Ledger.Duties.DoneAsync(database, taken, hasNext ? Hour : null, null, Cancellation);

        var again = (await TakeAsync()).ShouldHaveSingleItem();
        await Ledger.Duties.DoneAsync(database, again, null, null, Cancellation);
        (await Ledger.Duties.DutiesAsync(database, 10, Cancellation)).ShouldBeEmpty("it is done for good");
    }

    [Fact]
    public async Task No_more_duties_are_taken_than_asked_for_and_those_due_first_come_first()
    {
        foreach (var lease in new[] { "a", "b", "c" }) await Ledger.Duties.HurryAsync(database, "verify", lease, Cancellation);
        (await Ledger.Duties.DutiesAsync(database, 2, Cancellation)).Select(duty => duty.Name).ShouldBe(["verify:a", "verify:b"]);
        (await TakeAsync(most: 2)).Select(duty => duty.Name).ShouldBe(["verify:a", "verify:b"]);
        (await TakeAsync(most: 2)).ShouldHaveSingleItem().Name.ShouldBe("verify:c");
    }

    private async Task<DutyRecord> DutyAsync() => (await Ledger.Duties.DutiesAsync(database, 10, Cancellation)).ShouldHaveSingleItem();

    private async Task<IReadOnlyList<TakenDuty>> TakeAsync(int most = 10) =>
        (await Ledger.Duties.DueAsync(database, [], most, TimeSpan.FromMinutes(1), Cancellation)).Taken;
}
