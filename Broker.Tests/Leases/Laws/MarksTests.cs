using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>The mark of a ledger's users survives a loss of the ledger, as long as a replica that knows it lives.</summary>
public sealed class MarksTests : LedgerSequence
{
    private int made;

    private SharedLedger Another(params string[] former) => new(Store) { NewMark = () => $"aaa{(char)('a' + made++)}", FormerMarks = former };

    private static async Task<IEnumerable<string>> OwnAsync(SharedLedger replica) => (await replica.Marks.OwnAsync(Cancellation)).Order();

    [Fact]
    public async Task A_mark_is_made_once_for_all_replicas()
    {
        var (one, other) = (Another(), Another());
        (await one.Marks.OfNewUsersAsync(Cancellation)).ShouldBe("aaaa");
        (await other.Marks.OfNewUsersAsync(Cancellation)).ShouldBe("aaaa");
        (await OwnAsync(other)).ShouldBe(["aaaa"]);
    }

    [Fact]
    public async Task L8_A_replica_puts_it_back_when_the_ledger_is_emptied()
    {
        var one = Another();
        await one.Marks.OfNewUsersAsync(Cancellation);
        Store.PutBack(InProcessLedgerStore.Empty());
        (await OwnAsync(one)).ShouldBe(["aaaa"]);
        (await OwnAsync(Another())).ShouldBe(["aaaa"]);
    }

    [Fact]
    public async Task L5_L8_Where_a_new_replica_was_faster_both_are_the_ledgers_from_then_on()
    {
        var (one, newer) = (Another(), Another());
        await one.Marks.OfNewUsersAsync(Cancellation);
        Store.PutBack(InProcessLedgerStore.Empty());
        Clock.Now += Second;
        (await OwnAsync(newer)).ShouldBe(["aaab"]);
        (await OwnAsync(one)).ShouldBe(["aaaa", "aaab"]);
        (await OwnAsync(newer)).ShouldBe(["aaaa", "aaab"]);
        (await OwnAsync(Another())).ShouldBe(["aaaa", "aaab"]);
    }

    [Fact]
    public async Task Former_ones_are_the_brokers_that_is_told_of_them_and_no_new_users()
    {
        var one = Another("bbbb");
        (await OwnAsync(one)).ShouldBe(["aaaa", "bbbb"]);
        (await one.Marks.OfNewUsersAsync(Cancellation)).ShouldBe("aaaa");
        (await OwnAsync(Another())).ShouldBe(["aaaa"]);
    }

    [Theory]
    [InlineData("no mark,a")]
    [InlineData("aaaa,aaaa,?")]
    public async Task What_is_no_mark_is_passed_over(string written)
    {
        await Ledger.Texts.ReplaceSharedAsync("marks", null, written, Cancellation);
        (await OwnAsync(Another())).ShouldBe(["aaaa"]);
    }

    [Fact]
    public async Task L10_What_cannot_be_replaced_is_told_and_not_tried_for_ever()
    {
        await Ledger.Texts.ReplaceSharedAsync("marks", null, "", Cancellation);
        (await Should.ThrowAsync<LedgerException>(() => OwnAsync(Another()))).Message.ShouldContain("shared:marks");
    }
}
