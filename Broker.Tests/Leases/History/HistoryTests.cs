using Broker.Core.Leases;
using Broker.Core.Leases.History;
using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Core.Model;
using Broker.Tests.Ledger;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.History;

/// <summary>Histories over time, and what follows from them.</summary>
public sealed class HistoryTests : IAsyncDisposable
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private readonly FakeTimeProvider clock = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly InProcessLedgerStore store;
    private readonly HistoryLedger history;

    public HistoryTests()
    {
        store = TestedScripts.Open(clock);
        history = new(store);
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => store.DisposeAsync();

    [Fact]
    public async Task A_history_is_kept_for_a_week_at_falling_resolution_and_no_longer()
    {
        for (var hour = 0; hour < 9 * 24; hour++)
        {
            await CountAsync(granted: hour % 100);
            clock.Advance(TimeSpan.FromHours(1));
        }

        for (var minute = 0; minute < 8 * 60; minute++)
        {
            await CountAsync(granted: minute % 60);
            clock.Advance(Minute);
        }

        await AgreesAsync(HistorySpan.Week, 168, TimeSpan.FromHours(1));
        await AgreesAsync(HistorySpan.Day, 144, 10 * Minute);
        await AgreesAsync(HistorySpan.SixHours, 360, Minute);
        await AgreesAsync(HistorySpan.Hour, 360, TimeSpan.FromSeconds(10));

        async Task AgreesAsync(HistorySpan span, int most, TimeSpan width)
        {
            var read = await history.ReadAsync("orders", span, Cancellation);
            read.Width.ShouldBe(width);
            read.Stretches.Count.ShouldBeInRange(50, most);
            read.Stretches.Select(stretch => stretch.Start).ShouldBeInOrder();
            read.Stretches.ShouldAllBe(stretch => clock.GetUtcNow() - stretch.Start <= most * width);
        }
    }

    [Fact]
    public async Task A_refusal_before_the_first_count_of_a_stretch_makes_no_number_of_connections()
    {
        await history.RefusedAsync("orders", [new("api", "database-unavailable", "shop/api-1", 4, "not counted")], Cancellation);
        (await history.ReadAsync("orders", HistorySpan.Hour, Cancellation)).Stretches.ShouldHaveSingleItem().ShouldSatisfyAllConditions(
            stretch => stretch.Limit.ShouldBe(-1), stretch => stretch.Refused.ShouldBe(4));

        await CountAsync(granted: 30);

        (await history.ReadAsync("orders", HistorySpan.Hour, Cancellation)).Stretches.ShouldHaveSingleItem().ShouldSatisfyAllConditions(
            stretch => stretch.Limit.ShouldBe(200), stretch => stretch.Free.ShouldBe(70), stretch => stretch.Refused.ShouldBe(4));
    }

    [Fact]
    public async Task The_time_to_full_is_that_of_a_straight_line_and_there_is_none_where_nothing_fills()
    {
        for (var minute = 0; minute < 20; minute++)
        {
            await CountAsync(granted: 2 * minute);
            clock.Advance(Minute);
        }

        // 62 are free, and each minute takes two.
        Trend.FullIn(await history.ReadAsync("orders", HistorySpan.SixHours, Cancellation)).ShouldNotBeNull().ShouldBe(31 * Minute, TimeSpan.FromSeconds(1));
        for (var minute = 0; minute < 40; minute++)
        {
            await CountAsync(granted: 38);
            clock.Advance(Minute);
        }

        Trend.FullIn(await history.ReadAsync("orders", HistorySpan.SixHours, Cancellation)).ShouldBeNull("it has stood still for half an hour");
        Trend.FullIn(await history.ReadAsync("nowhere", HistorySpan.SixHours, Cancellation)).ShouldBeNull("nothing is known");
    }

    [Fact]
    public async Task Refusals_are_told_once_bounded_and_kept_while_the_ledger_is_away()
    {
        await using var link = new CuttableStore(store);
        var journal = new RefusalJournal(new HistoryLedger(link), clock);
        var full = new Refusal(RefusalCode.BudgetExhausted, "none are free");
        for (var pod = 0; pod < 1500; pod++) journal.Refused("orders", "api", $"shop/api-{pod}", full);
        journal.Refused("orders", "api", "mallory", new(RefusalCode.NotAllowed, "no"));

        link.Cut();
        await journal.TellAsync(Cancellation);
        (await RefusedAsync()).ShouldBe(0);
        link.Mend();
        await journal.TellAsync(Cancellation);
        await journal.TellAsync(Cancellation);

        (await RefusedAsync()).ShouldBe(1500);
    }

    [Fact]
    public async Task Samples_and_refusals_of_a_running_broker_become_its_history()
    {
        await using var world = new World(World.OrdersApi with { Connections = new() { Default = 1, Max = 20 } }, capacity: 10);
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.AskAsync(World.Ask(0, 10)), Minute)).Grant.ShouldNotBeNull();
        (await replica.AskAsync(World.Ask(1, 5))).Refusal!.Code.ShouldBe(RefusalCode.BudgetExhausted);

        await world.PassAsync(Minute);
        await replica.Refused.TellAsync(Cancellation);

        var read = await new HistoryLedger(world.Store).ReadAsync("orders", HistorySpan.SixHours, Cancellation);
        read.Stretches.Max(stretch => stretch.Granted).ShouldBe(10);
        read.Peaks.Max(peak => peak.Connections).ShouldBe(10);
        read.Refusals.ShouldHaveSingleItem().ShouldSatisfyAllConditions(
            refusal => refusal.Role.ShouldBe("orders-api"), refusal => refusal.Code.ShouldBe("budget-exhausted"), refusal => refusal.Caller.ShouldContain("orders-1"), refusal => refusal.Count.ShouldBe(1));
    }

    private async Task<int> RefusedAsync() => (await history.ReadAsync("orders", HistorySpan.Hour, Cancellation)).Stretches.Sum(stretch => stretch.Refused);

    private async Task CountAsync(int granted) => await history.RecordAsync(
        "orders", new(default, null, 200, 3, 100, 0, 0, 100, granted, 0, [new("api", 1, granted, 0, granted)]), Cancellation);
}
