using Broker.Core.Ledger;
using Microsoft.AspNetCore.DataProtection;
using Shouldly;
using Xunit;

namespace Broker.Tests.Contracts;

/// <summary>What clients of another protocol hold (tokens, leases of their own, wrapped answers): texts with an end, in groups.</summary>
public abstract partial class LedgerContract
{
    private static readonly LedgerSeal RecordSeal = new(new EphemeralDataProtectionProvider());

    private string Kind => "~" + database;

    private RecordLedger Records => new(Store, Kind, RecordSeal, "a test");

    [Fact]
    public async Task A_record_is_read_as_it_was_written_until_somebody_ends_it()
    {
        const string Text = "a text|with, all \u00fc\u20ac\n that separates";
        (await Records.PutAsync("one/two", ["g:1", "g:2"], Text, Hour, Cancellation)).ShouldBe(PutRecordAnswer.Put);
        (await Records.PutAsync("one/two", [], "another", Hour, Cancellation)).ShouldBe(PutRecordAnswer.Taken);

        var (text, left) = (await Records.ReadAsync("one/two", Cancellation))!.Value;
        text.ShouldBe(Text);
        left.ShouldBeInRange(Hour - TimeSpan.FromMinutes(5), Hour);
        (await Records.ListAsync("g:2", Cancellation)).ShouldBe(["one/two"]);
        (await Records.ReadAsync("another", Cancellation)).ShouldBeNull();

        (await Records.DropAsync("one/two", Cancellation)).ShouldBe(Text);
        (await Records.ReadAsync("one/two", Cancellation)).ShouldBeNull();
        (await Records.DropAsync("one/two", Cancellation)).ShouldBeNull();
        (await Records.RenewAsync("one/two", "x", Hour, Cancellation)).ShouldBeFalse();
        foreach (var group in new[] { "g:1", "g:2" }) (await Records.ListAsync(group, Cancellation)).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_record_that_is_renewed_has_its_new_text_and_its_new_end_and_stays_in_its_groups()
    {
        await Records.PutAsync("id", ["g"], "first", TimeSpan.FromMinutes(1), Cancellation);

        (await Records.RenewAsync("id", "second", Hour, Cancellation)).ShouldBeTrue();

        var (text, left) = (await Records.ReadAsync("id", Cancellation))!.Value;
        (text, left > TimeSpan.FromMinutes(30)).ShouldBe(("second", true));
        (await Records.ListAsync("g", Cancellation)).ShouldBe(["id"]);
    }

    [Fact]
    public async Task A_record_whose_end_has_come_is_none_and_its_id_is_free()
    {
        await Records.PutAsync("short", ["g"], "text", TimeSpan.FromMilliseconds(1), Cancellation);
        await Records.PutAsync("long", ["g"], "text", Hour, Cancellation);

        await Eventually.HoldsAsync(async () => await Records.ReadAsync("short", Cancellation) is null, "its end has come", Cancellation);

        (await Records.RenewAsync("short", "text", Hour, Cancellation)).ShouldBeFalse();
        (await Records.DropAsync("short", Cancellation)).ShouldBeNull();
        (await Records.PutAsync("other", [], "text", Hour, Cancellation)).ShouldBe(PutRecordAnswer.Put);
        (await Records.ListAsync("g", Cancellation)).ShouldBe(["long"]);
        (await Records.PutAsync("short", [], "again", Hour, Cancellation)).ShouldBe(PutRecordAnswer.Put);
    }

    [Fact]
    public async Task Of_many_that_end_a_record_one_alone_gets_its_text()
    {
        await Records.PutAsync("wrapped", [], "the secret", Hour, Cancellation);

        var texts = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Records.DropAsync("wrapped", Cancellation).AsTask()));

        texts.Count(text => text == "the secret").ShouldBe(1);
        texts.Count(text => text is null).ShouldBe(49);
    }

    [Fact]
    public async Task Of_many_that_write_a_record_one_alone_does()
    {
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(number => Records.PutAsync("use#1", ["use"], $"{number}", Hour, Cancellation)));

        answers.Count(answer => answer == PutRecordAnswer.Put).ShouldBe(1);
        (await Records.ListAsync("use", Cancellation)).ShouldBe(["use#1"]);
    }

    [Fact]
    public async Task A_group_that_is_full_loses_its_oldest_from_all_its_groups()
    {
        foreach (var number in Enumerable.Range(0, 501)) await Records.PutAsync($"{number}", ["full", $"own:{number}"], "text", Hour, Cancellation);

        var ids = await Records.ListAsync("full", Cancellation);
        (ids.Count, ids[0], ids[^1]).ShouldBe((500, "1", "500"));
        (await Records.ReadAsync("0", Cancellation)).ShouldBeNull();
        (await Records.ListAsync("own:0", Cancellation)).ShouldBeEmpty();
        (await Records.ReadAsync("1", Cancellation)).ShouldNotBeNull();
    }

    [Fact]
    public async Task A_wide_group_holds_more_and_loses_its_oldest_too_and_of_too_many_in_all_none_is_written()
    {
        var records = new RecordLedger(Store, Kind, RecordSeal, "a test", mostInGroup: 3, mostInWide: 8, most: 9);
        foreach (var number in Enumerable.Range(0, 9)) (await records.PutAsync($"{number}", [$"one of {number / 3}", RecordLedger.Wide + "all"], "text", Hour, Cancellation)).ShouldBe(PutRecordAnswer.Put);

        (await records.ReadAsync("0", Cancellation)).ShouldBeNull();
        (await records.ListAsync("one of 0", Cancellation)).ShouldBe(["1", "2"]);
        (await records.AnyAsync(RecordLedger.Wide + "all", Cancellation)).ShouldBeTrue();
        (await records.PutAsync("other", [], "text", Hour, Cancellation)).ShouldBe(PutRecordAnswer.Put);
        (await records.PutAsync("too many", [], "text", Hour, Cancellation)).ShouldBe(PutRecordAnswer.Full);
    }

    [Fact]
    public async Task A_group_is_in_the_order_in_which_it_was_written_whoever_left_it_and_was_renewed_since()
    {
        foreach (var number in Enumerable.Range(0, 12)) await Records.PutAsync($"{number}", ["g", "h"], "text", Hour, Cancellation);
        foreach (var gone in new[] { "0", "5", "11" }) await Records.DropAsync(gone, Cancellation);
        await Records.RenewAsync("1", "another", Hour, Cancellation);
        await Records.PutAsync("0", ["g"], "text", Hour, Cancellation);

        (await Records.ListAsync("g", Cancellation)).ShouldBe(["1", "2", "3", "4", "6", "7", "8", "9", "10", "0"]);
        (await Records.ListAsync("h", Cancellation)).ShouldBe(["1", "2", "3", "4", "6", "7", "8", "9", "10"]);
    }

    [Fact]
    public async Task Records_that_are_asked_for_together_are_answered_each_as_if_it_were_alone()
    {
        var ids = Enumerable.Range(0, 300).Select(number => $"id {number}").ToArray();
        (await Task.WhenAll(ids.Select(id => Records.PutAsync(id, ["all"], "text of " + id, Hour, Cancellation)))).ShouldAllBe(answer => answer == PutRecordAnswer.Put);

        var shared = Records; // one replica's: its questions share their way
        var read = await Task.WhenAll(ids.Append("none").Select(id => shared.ReadAsync(id, Cancellation).AsTask()));
        read.Select(one => one?.Text).ShouldBe([.. ids.Select(id => "text of " + id), null]);
        (await Task.WhenAll(ids.Append("none").Select(id => shared.RenewAsync(id, "new text of " + id, Hour, Cancellation).AsTask()))).Count(renewed => renewed).ShouldBe(300);
        (await shared.ReadAsync("id 7", Cancellation))!.Value.Text.ShouldBe("new text of id 7");
    }

    [Fact]
    public async Task Records_that_are_written_together_are_written_as_if_one_came_after_the_other()
    {
        var shared = new RecordLedger(Store, Kind, null, "a test"); // one replica's: its questions share their way
        var twice = await Task.WhenAll(Enumerable.Range(0, 40).Select(number => shared.PutAsync($"{number / 4}", ["twice"], $"{number}", Hour, Cancellation)));
        twice.Select(answer => answer == PutRecordAnswer.Put).ShouldBe(Enumerable.Range(0, 40).Select(number => number % 4 == 0), "of each id the first");
        (await shared.ListAsync("twice", Cancellation)).ShouldBe(Enumerable.Range(0, 10).Select(number => $"{number}"));

        var renewed = await Task.WhenAll(Enumerable.Range(0, 20).Select(number => shared.RenewAsync("3", "12", $"new {number}", Hour, Cancellation)));
        renewed.Count(answer => answer is RenewRecordAnswer.Renewed).ShouldBe(1);
        renewed.Skip(1).ShouldAllBe(answer => answer == new RenewRecordAnswer.Changed("new 0"));

        await Task.WhenAll(Enumerable.Range(0, 1_100).Select(number => shared.PutAsync($"id {number}", ["full", $"own {number}", $"of {number % 3}"], "text", Hour, Cancellation)));
        (await shared.ListAsync("full", Cancellation)).ShouldBe(Enumerable.Range(600, 500).Select(number => $"id {number}"));
        (await shared.ListAsync("of 1", Cancellation)).ShouldBe(Enumerable.Range(600, 500).Where(number => number % 3 == 1).Select(number => $"id {number}"));
        (await shared.ListAsync("own 599", Cancellation)).ShouldBeEmpty();
        (await shared.ListAsync("own 600", Cancellation)).ShouldBe(["id 600"]);
    }

    [Fact]
    public async Task Every_replica_hears_of_a_record_that_is_ended()
    {
        var heard = new System.Collections.Concurrent.ConcurrentQueue<string>();
        using var listening = Records.Listen(heard.Enqueue);
        await Records.PutAsync("token", [], "text", Hour, Cancellation);

        // Whoever listens is heard from a moment on: what is ended before may go unheard.
        await Eventually.HoldsAsync(
            async () =>
            {
                await Records.PutAsync("token", [], "text", Hour, Cancellation);
                await Records.DropAsync("token", Cancellation);
                return heard.Contains("token");
            },
            "it is heard",
            Cancellation);
    }

    [Fact]
    public async Task Of_a_record_that_is_known_it_is_said_whether_it_is_the_same_still()
    {
        await Records.PutAsync("token", ["g"], "first", Hour, Cancellation);
        var tail = RecordLedger.TailOf((await Records.LookAsync("token", null, Cancellation)).ShouldBeOfType<RecordAnswer.Found>().Text);

        (await Records.LookAsync("token", tail, Cancellation)).ShouldBeOfType<RecordAnswer.Same>().EndsIn.ShouldBeGreaterThan(Hour / 2);
        (await Records.LookAsync("other", tail, Cancellation)).ShouldBeOfType<RecordAnswer.None>();
        await Records.RenewAsync("token", "first", Hour, Cancellation);
        var anew = (await Records.LookAsync("token", tail, Cancellation)).ShouldBeOfType<RecordAnswer.Found>("it was sealed anew").Text;
        Records.TryOpen("token", anew).ShouldBe("first");
        await Records.DropAsync("token", Cancellation);
        (await Records.LookAsync("token", RecordLedger.TailOf(anew), Cancellation)).ShouldBeOfType<RecordAnswer.None>();
    }

    [Fact]
    public async Task L14_A_record_is_believed_in_its_own_place_alone()
    {
        await Records.PutAsync("mine", [], "a right", Hour, Cancellation);
        var other = new RecordLedger(Store, Kind, RecordSeal, "another purpose");
        var stranger = new RecordLedger(Store, Kind, new LedgerSeal(new EphemeralDataProtectionProvider()), "a test");

        (await other.ReadAsync("mine", Cancellation)).ShouldBeNull();
        (await stranger.ReadAsync("mine", Cancellation)).ShouldBeNull();
        var copied = (await Records.LookAsync("mine", null, Cancellation)).ShouldBeOfType<RecordAnswer.Found>().Text;
        await new LedgerClient(Store).TakeAsync(Decision.PutRecords, Kind, new(10, 10, 10, [new("others", [], copied, Hour)]), Cancellation);
        (await Records.ReadAsync("others", Cancellation)).ShouldBeNull();
        (await Records.ReadAsync("mine", Cancellation)).ShouldNotBeNull();
    }

    [Fact]
    public async Task There_are_no_more_records_than_there_may_be()
    {
        var client = new LedgerClient(Store);
        var reply = await client.TakeAsync(Decision.PutRecords, Kind, new(3, 10, 10, [.. Enumerable.Range(0, 4).Select(number => new RecordPut($"{number}", [], "text", Hour))]), Cancellation);

        reply.Verdicts.ShouldBe([PutRecordAnswer.Put, PutRecordAnswer.Put, PutRecordAnswer.Put, PutRecordAnswer.Full]);
    }
}
