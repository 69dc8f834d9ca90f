using Broker.Core.Ledger;
using Shouldly;
using Xunit;

namespace Broker.Tests.Contracts;

/// <summary>What a database's connections were.</summary>
public abstract partial class LedgerContract
{
    [Fact]
    public async Task A_stretch_of_time_keeps_the_extremes_of_its_counts_the_roles_peaks_and_who_was_refused()
    {
        var history = new HistoryLedger(Store);
        await history.RecordAsync(database, Counted(foreign: 10, granted: 50, waiting: 0, ("api", 40), ("web", 10)), Cancellation);
        await history.RecordAsync(database, Counted(foreign: 30, granted: 20, waiting: 7, ("api", 5), ("web", 15)), Cancellation);
        await history.RefusedAsync(database, [new("api", "budget-exhausted", "shop/api-1|x", 2, "none|are free"), new("web", "role-paused", "shop/web-1", 1, "paused")], Cancellation);
        await history.RefusedAsync(database, [new("api", "budget-exhausted", "shop/api-1|x", 3, "none are free now")], Cancellation);

        var week = await history.ReadAsync(database, HistorySpan.Week, Cancellation);

        // An hour may end between two of them.
        week.Stretches.Count.ShouldBeInRange(1, 2);
        week.Stretches.Max(stretch => stretch.Foreign).ShouldBe(30);
        week.Stretches.Max(stretch => stretch.Granted).ShouldBe(50);
        week.Stretches.Max(stretch => stretch.Used).ShouldBe(60);
        week.Stretches.Max(stretch => stretch.Waiting).ShouldBe(7);
        week.Stretches.Where(stretch => stretch.Limit >= 0).Min(stretch => stretch.Free).ShouldBe(50);
        week.Stretches.Sum(stretch => stretch.Refused).ShouldBe(6);
        week.Peaks.GroupBy(peak => peak.Role).ToDictionary(role => role.Key, role => role.Max(peak => peak.Connections)).ShouldBe(new Dictionary<string, int> { ["api"] = 40, ["web"] = 15 }, ignoreOrder: true);
        week.Refusals.Select(refusal => (refusal.Role, refusal.Code, refusal.Caller, refusal.Count, refusal.Words))
            .ShouldBe([("api", "budget-exhausted", "shop/api-1|x", 5, "none are free now"), ("web", "role-paused", "shop/web-1", 1, "paused")], ignoreOrder: true);
        foreach (var span in Enum.GetValues<HistorySpan>()) (await history.ReadAsync(database, span, Cancellation)).Stretches.ShouldNotBeEmpty();
        (await history.ReadAsync("another", HistorySpan.Week, Cancellation)).Stretches.ShouldBeEmpty();
    }

    [Fact]
    public async Task However_many_are_refused_a_bounded_number_is_kept_and_those_are_the_last()
    {
        var history = new HistoryLedger(Store);
        for (var some = 0; some < 7; some++)
            await history.RefusedAsync(database, [.. Enumerable.Range(some * 100, 100).Select(pod => new RefusedCaller("api", "budget-exhausted", $"shop/api-{pod:000}", 1, "none"))], Cancellation);

        var read = await history.ReadAsync(database, HistorySpan.Hour, Cancellation);

        read.Refusals.Count.ShouldBe(100);
        read.Refusals.ShouldAllBe(refusal => string.CompareOrdinal(refusal.Caller, "shop/api-200") >= 0, "the first were forgotten");
    }

    private static BudgetRecord Counted(int foreign, int granted, int waiting, params (string Role, int Connections)[] roles) => new(
        default, null, 200, 3, 137, foreign, 0, 100, granted, waiting, [.. roles.Select(role => new RoleUse(role.Role, 1, role.Connections, 0, 0))]);
}
