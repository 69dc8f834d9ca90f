using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Ledger;

/// <summary>What groups of records say when the ledger holds a record that today's decisions would not write.</summary>
public sealed class RecordGroupsTests : IDisposable
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);
    private static readonly string[] Keys = LedgerKeys.Of("~test");
    private readonly FakeTimeProvider clock = new();
    private readonly InProcessLedgerStore store;
    private readonly RecordLedger records;

    public RecordGroupsTests()
    {
        store = new(clock);
        records = new(store, "~test", null, "a test");
    }

    private static string Groups => Keys[Array.IndexOf(LedgerKeys.Parts, "holders")];

    private static string Grouped => Keys[Array.IndexOf(LedgerKeys.Parts, "breathing")];

    public void Dispose() => store.DisposeAsync().AsTask().GetAwaiter().GetResult();

    [Fact]
    public async Task A_record_whose_end_has_come_leaves_its_groups_when_its_id_is_used_anew()
    {
        // More than one decision takes away, the last of them by name last.
        foreach (var number in Enumerable.Range(100, 150)) await PutAsync($"{number}", "old");
        clock.Advance(2 * Minute);

        (await PutAsync("249", "new")).ShouldBe(PutRecordAnswer.Put);

        (await records.ListAsync("new", TestContext.Current.CancellationToken)).ShouldBe(["249"]);
        (await records.ListAsync("old", TestContext.Current.CancellationToken)).ShouldBeEmpty();
        (await records.ReadAsync("249", TestContext.Current.CancellationToken)).ShouldNotBeNull();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(500)]
    public async Task L14_A_group_that_somebody_made_full_of_records_that_are_not_there_takes_records_and_holds_nobody_up(int made)
    {
        await PutAsync("first", "g");
        var copy = store.Copy();
        copy.Execute(["HSET", Groups, "g", "7|500"]);
        for (var number = 0; number < made; number++) copy.Execute(["ZADD", Grouped, "7", $"7 {number:D15} nobody {number}"]);
        store.PutBack(copy);

        (await PutAsync("second", "g")).ShouldBe(PutRecordAnswer.Put);
        (await PutAsync("third", "g")).ShouldBe(PutRecordAnswer.Put);

        (await records.ListAsync("g", TestContext.Current.CancellationToken)).ShouldContain("third");
        (await records.ReadAsync("third", TestContext.Current.CancellationToken)).ShouldNotBeNull();
    }

    [Fact]
    public async Task A_full_group_keeps_an_old_record_that_is_renewed()
    {
        await PutAsync("renewed", "g");
        foreach (var number in Enumerable.Range(0, 499)) await PutAsync($"{number}", "g");
        clock.Advance(Minute / 2);
        (await records.RenewAsync("renewed", "text", Minute, TestContext.Current.CancellationToken)).ShouldBeTrue();

        await PutAsync("one more", "g");
        await PutAsync("another", "g");

        var left = await records.ListAsync("g", TestContext.Current.CancellationToken);
        left.Count.ShouldBe(500);
        left.ShouldContain("renewed");
        left.ShouldNotContain("0");
        left.ShouldNotContain("1");
    }

    [Fact]
    public async Task A_full_group_keeps_its_oldest_when_they_are_renewed_and_others_are_not()
    {
        string[] renewed = [.. Enumerable.Range(0, 25).Select(static number => $"renewed {number}")];
        foreach (var id in renewed) await PutAsync(id, "g");
        foreach (var number in Enumerable.Range(0, 475)) await PutAsync($"{number}", "g");
        clock.Advance(Minute / 2);
        foreach (var id in renewed) (await records.RenewAsync(id, "text", Minute, TestContext.Current.CancellationToken)).ShouldBeTrue();

        foreach (var number in Enumerable.Range(0, 100)) await PutAsync($"more {number}", "g");

        var left = await records.ListAsync("g", TestContext.Current.CancellationToken);
        left.Count.ShouldBe(500);
        renewed.Except(left).ShouldBeEmpty();
    }

    private Task<PutRecordAnswer> PutAsync(string id, string group) => records.PutAsync(id, [group], "text", Minute, default);
}
