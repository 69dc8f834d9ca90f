using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Broker.Core.Audit.Chain;
using Broker.Core.Audit.Reading;
using LoadTests.FromInside.Tampering;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Audit;

/// <summary>
/// What the verifier says of each thing that can be wrong with an audit (law L15). What is verified was written this very second: nothing
/// is found only because its checkpoint is overdue.
/// </summary>
public sealed class VerifierTests : IDisposable
{
    private readonly AuditFolder folder = new();
    private readonly FakeTimeProvider time = new(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly string key = GenuineAudit.NewKey();
    private readonly List<ComposedChain> composed = [];

    private string Head => folder.Path + ".head";

    public void Dispose()
    {
        composed.ForEach(static chain => chain.Dispose());
        folder.Dispose();
    }

    [Fact]
    public void What_nobody_touched_has_nothing_wrong()
    {
        var verified = Verify(Ended().Lines);
        verified.Problems.ShouldBeEmpty();
        verified.Notes.ShouldBeEmpty();
    }

    [Fact]
    public void L15_A_last_line_that_does_not_end_is_no_record()
    {
        Write(Ended().Lines);
        var bytes = File.ReadAllBytes(folder.Path);
        File.WriteAllBytes(folder.Path, bytes[..^1]);

        Verify().Problems.ShouldContain(problem => problem.Contains("is not a record of the chain"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("""{"a":"b"}""")]
    [InlineData("""{"time":"2026-03-01T12:00:00.0000000Z","action":"claim","outcome":"granted","chain":"AAAAAAAAAAAA","seq":5}""")]
    [InlineData("""{"time":"2026-03-01T12:00:00.0000000Z","action":"claim","outcome":"granted","chain":"AAAAAAAAAAAA","seq":5,"hash":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }""")]
    [InlineData("""{"time":"2026-03-01T12:00:00.0000000Z","action":"claim","outcome":"granted","chain":"AAAAAAAAAAAA","seq":5,"hash":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }""")]
    [InlineData("""{"time":"2026-03-01T12:00:00.0000000Z","action":"claim","outcome":"granted","chain":"AAAAAAAAAAAA","seq":5,"hash":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}""")]
    [InlineData("""{"chain":null,"seq":5,"hash":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}""")]
    [InlineData("""{"chain":7,"seq":5,"hash":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}""")]
    [InlineData("""{"chain":"AAAAAAAAAAAA","seq":"5","hash":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}""")]
    [InlineData("""{"chain":"AAAAAAAAAAAA","seq":5.5,"hash":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}""")]
    [InlineData("""{"chain":"AAAAAAAAAAAA","hash":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}""")]
    [InlineData("""["chain","AAAAAAAAAAAA","seq",5,"hash":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}""")]
    public void L15_A_line_that_is_none_of_a_chain_is_said_to_be_none(string line)
    {
        var lines = Ended().Lines;
        lines.Insert(2, Forger.Line(line));

        Verify(lines).Problems.ShouldBe(["audit.jsonl:3: is not a record of the chain."]);
    }

    [Fact]
    public void L15_Of_what_stands_before_a_restart_only_the_half_line_is_forgiven()
    {
        var chain = Chain().Opened(newFile: true).Records(1).Checkpoint().Opened(torn: true).Records(1).Checkpoint(ChainFormat.Closed);
        chain.Lines.InsertRange(3, [Forger.Line("what is this"), Forger.Line("{\"time\":\"2026")]);

        var verified = Verify(chain.Lines);
        verified.Problems.ShouldBe(["audit.jsonl:4: is not a record of the chain."]);
        verified.Notes.ShouldContain(note => note.Contains("half a line"));
    }

    [Theory]
    [InlineData("""{"time":"2026-03-01T12:00:00.0000000Z","event":"opened","after":"AFTER","started":true}""")]
    [InlineData("""{"time":"2026-03-01T12:00:00.0000000Z","action":"claim","outcome":"granted","torn":true}""")]
    public void L15_A_half_line_is_forgiven_only_where_a_broker_started_that_found_it(string next)
    {
        var chain = Chain().Opened(newFile: true).Records(1).Checkpoint();
        List<byte[]> lines = [.. chain.Lines, Forger.Line("{\"time\":\"2026"), Behind(chain.Head, next)];

        Verify(lines, chain.Lines[^1]).Problems.ShouldBe(["audit.jsonl:4: is not a record of the chain."]);
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void L15_Half_a_line_at_the_end_is_forgiven_only_where_a_broker_may_be_writing_and_nobody_has_the_key(bool ended, bool withKey)
    {
        var chain = Chain(signed: withKey).Opened(newFile: true).Records(1).Checkpoint(ended ? ChainFormat.Closed : "interval");
        Write(chain.Lines);
        File.AppendAllText(folder.Path, "{\"time\":\"2026");

        Verify(withKey: withKey).Problems.ShouldContain("audit.jsonl:4: is not a record of the chain.");
    }

    [Theory]
    [InlineData("""{"time":"2026-03-01T12:00:00.0000000Z","action":"claim","outcome":"granted"}""")]
    [InlineData("""{"time":"2026-03-01T12:00:00.0000000Z","action":"claim","outcome":"granted","started":true}""")]
    [InlineData("""{"time":"2026-03-01T12:00:00.0000000Z","event":"opened","after":"AFTER","newFile":true}""")]
    public void L15_What_stands_behind_the_end_of_a_broker_is_found_before_its_checkpoint_is_overdue(string line)
    {
        var chain = Ended();

        Verify([.. chain.Lines, Behind(chain.Head, line)], chain.Lines[^1]).Problems.ShouldBe(["audit.jsonl:5: comes after the record that ended its broker's chain."]);
    }

    [Theory]
    [InlineData("""{"time":5,"event":"opened","after":"AFTER","started":true,"doubt":7}""")]
    [InlineData("""{"event":"opened","after":"***","started":true,"newFile":true}""")]
    [InlineData("""{"event":"resumed","sink":7,"lostFrom":"1","lostTo":"2","last":"***","after":"***"}""")]
    [InlineData("""{"event":"resumed","sink":"-","lostFrom":1.5,"lostTo":2,"last":"AFTER","after":"LONG"}""")]
    [InlineData("""{"event":"checkpoint","why":"interval","head":"AFTER","key":"KEY","signature":"***"}""")]
    [InlineData("""{"signature":"***","event":"checkpoint","why":"interval","head":"AFTER","key":"KEY"}""")]
    [InlineData("""{"event":"checkpoint","why":7,"head":7,"key":7,"signature":7}""")]
    [InlineData("""{"time":"\ud800","action":"claim","outcome":"granted"}""")]
    [InlineData("""{"time":"2026-03-01T12:00:00.0000000Z","event":"opened","after":"AFTER","started":true,"doubt":"\ud800"}""")]
    [InlineData("""{"event":"opened","after":"\ud800","started":true,"newFile":true}""")]
    [InlineData("""{"event":"resumed","sink":"\ud800","lostFrom":1,"lostTo":2,"last":"\ud800","after":"\ud800"}""")]
    [InlineData("""{"event":"checkpoint","why":"interval","head":"AFTER","key":"KEY","signature":"\ud800"}""")]
    [InlineData("""{"event":"checkpoint","why":"interval","head":"\ud800","key":"KEY","signature":"x"}""")]
    [InlineData("""{"event":"checkpoint","why":"interval","head":"AFTER","key":"\ud800","signature":"x"}""")]
    [InlineData("""{"event":"checkpoint","why":"\ud800","head":"AFTER"}""")]
    [InlineData("""{"event":"\ud800","action":"claim","outcome":"granted"}""")]
    [InlineData("""{"time":"2026-03-01T12:00:00.0000000Z","action":"claim","outcome":"granted","\ud800":1}""")]
    public void L15_A_made_up_line_at_the_end_is_found_whatever_stands_in_it(string line)
    {
        var chain = Ended();
        using var own = CheckpointKey.Read(key);
        List<byte[]> lines = [.. chain.Lines, Behind(chain.Head, line.Replace("KEY", own.Id).Replace("LONG", new('A', 1000)))];

        Verify(lines, chain.Lines[^1]).Problems.ShouldNotBeEmpty();
        Verify(lines, chain.Lines[^1], withKey: false).Records.ShouldBe(lines.Count, "it is read to its end without the key too");
        Verify(lines, lines[^1]).Problems.ShouldNotBeEmpty("it also stands beside the file");
    }

    [Theory]
    [InlineData("""5""")]
    [InlineData("""{"chain":5,"seq":4,"hash":"HASH"}""")]
    [InlineData("""{"chain":"CHAIN","seq":"4","hash":"HASH"}""")]
    [InlineData("""{"chain":"CHAIN","seq":4,"hash":5}""")]
    [InlineData("""{"chain":"CHAIN","seq":4}""")]
    [InlineData("""{"chain":"\ud800\ud800\ud800","seq":4,"hash":"HASH"}""")]
    [InlineData("""{"chain":"CHAIN","seq":4,"hash":"HASH","\ud800":1}""")]
    public void L15_A_made_up_chain_is_found_whatever_it_says_that_it_follows(string behind)
    {
        var chain = Ended();
        var said = behind.Replace("CHAIN", chain.Head.Chain).Replace("HASH", chain.Head.Hash);
        var opened = Forger.Chained(Forger.Line($$"""{"event":"opened","after":"{{ChainHead.Nothing}}","started":true,"behind":{{said}},"x":1}"""), "made-up", 1, ChainHead.Nothing);

        Verify([.. chain.Lines, opened], chain.Lines[^1]).Problems.ShouldContain(problem => problem.Contains("it was put here"));
    }

    [Fact]
    public void L15_A_chain_that_does_not_begin_as_one_follows_no_other()
    {
        var chain = Ended();
        var made = Forger.Chained(
            Forger.Line($$$"""{"action":"claim","behind":{"chain":"{{{chain.Head.Chain}}}","seq":{{{chain.Head.Seq}}},"hash":"{{{chain.Head.Hash}}}"},"x":1}"""), "made-up", 1, ChainHead.Nothing);

        Verify([.. chain.Lines, made], chain.Lines[^1]).Problems.ShouldContain(problem => problem.Contains("it was put here"));
    }

    [Fact]
    public void L15_A_chain_that_another_came_before_is_found_when_the_other_is_missing()
    {
        var first = Ended();
        var second = Chain().Opened(behind: first.Head).Records(1).Checkpoint(ChainFormat.Closed);

        Verify([.. first.Lines, .. second.Lines]).Problems.ShouldBeEmpty();
        Verify(second.Lines).Problems.ShouldHaveSingleItem().ShouldContain("says that it follows another in this file, which is missing");
    }

    [Theory]
    [InlineData(1, """{"time":"2026-03-01T12:00:00.0000000Z","action":"claim","outcome":"granted"}""")]
    [InlineData(7, """{"time":"2026-03-01T12:00:00.0000000Z","action":"claim","outcome":"granted","newFile":true,"after":"AFTER"}""")]
    [InlineData(7, """{"time":"2026-03-01T12:00:00.0000000Z","event":"opened","started":true,"after":"AFTER"}""")]
    public void L15_An_audit_that_begins_with_neither_a_chain_nor_a_file_has_no_beginning(long seq, string line)
    {
        var before = new ChainHead("made-up", seq - 1, ChainHead.Nothing);

        Verify([Behind(before, line)]).Problems.ShouldHaveSingleItem().ShouldContain("has no beginning here");
    }

    [Fact]
    public void L15_A_file_that_says_what_it_goes_on_behind_follows_just_that()
    {
        var padded = new byte[SHA256.HashSizeInBytes];
        Base64Url.DecodeFromChars("AAEC", padded);
        var first = Forger.Chained(Forger.Line("""{"time":"2026-03-01T12:00:00.0000000Z","event":"opened","after":"AAEC","newFile":true}"""), "made-up", 7, Base64Url.EncodeToString(padded));

        Verify([first]).Problems.ShouldHaveSingleItem().ShouldContain("was changed");
    }

    [Fact]
    public void L15_A_cut_at_the_front_is_not_excused_by_a_loss_behind_it()
    {
        var chain = Chain().Opened(newFile: true).Records(3).Checkpoint().Losing(2, folder.Path).Records(1).Checkpoint(ChainFormat.Closed);
        Verify(chain.Lines).Problems.ShouldBeEmpty();

        Verify(chain.Lines[5..]).Problems.ShouldHaveSingleItem().ShouldContain("has no beginning here");
    }

    [Fact]
    public void L15_A_loss_at_the_front_excuses_what_it_names_and_not_what_was_taken_out_behind_it()
    {
        var chain = Chain();
        chain.Records(3);
        chain.Lines.Clear();
        var began = Chain(from: new(chain.Head.Chain, 0, ChainHead.Nothing)).Losing(3, folder.Path).Records(1).Checkpoint().Records(1).Checkpoint(ChainFormat.Closed);
        Verify(began.Lines).Problems.ShouldBeEmpty();

        // The line that tells of the loss, and the checkpoint that vouches for it, stand behind the rest.
        Verify([.. began.Lines[3..], .. began.Lines[..3]]).Problems[0].ShouldContain("has no beginning here");
    }

    [Fact]
    public void L15_A_chain_is_not_excused_by_what_another_lost()
    {
        var first = Chain().Losing(3, folder.Path).Records(1).Checkpoint(ChainFormat.Closed);
        var second = Chain().Opened(behind: first.Head).Records(3).Checkpoint(ChainFormat.Closed);

        Verify([.. first.Lines, .. second.Lines[3..]]).Problems.ShouldContain(problem => problem.Contains($"the chain {second.Head.Chain} has no beginning here"));
    }

    [Fact]
    public void L15_A_loss_excuses_no_longer_a_gap_than_it_names()
    {
        var chain = Chain().Opened(newFile: true).Records(3).Checkpoint().Losing(2, folder.Path).Checkpoint().Records(1).Checkpoint(ChainFormat.Closed);

        Verify([.. chain.Lines[..5], .. chain.Lines[7..], .. chain.Lines[5..7]], chain.Lines[^1]).Problems[0].ShouldContain("records 6 to 9 are missing before it");
    }

    [Fact]
    public void L15_What_was_taken_before_a_loss_is_bound_by_the_line_that_tells_of_it()
    {
        var chain = Chain().Opened(newFile: true).Records(2).Losing(2, folder.Path).Records(1).Checkpoint(ChainFormat.Closed);
        Forger.TryRead(chain.Lines[1], out var id, out _, out var before);
        chain.Lines[2] = Forger.Chained(Forger.Line("""{"action":"claim","outcome":"refused"}"""), id, 3, before);

        Verify(chain.Lines).Problems.ShouldHaveSingleItem().ShouldContain("records 4 to 5 are missing before it");
    }

    [Theory]
    [InlineData("HERE", null, true)]
    [InlineData("syslog", null, false)]
    [InlineData("syslog", "syslog", true)]
    [InlineData("otlp", "syslog", false)]
    public void L15_A_gap_is_excused_by_the_loss_of_the_sink_that_wrote_it_alone(string lost, string? sink, bool excused)
    {
        var chain = Chain().Opened(newFile: true).Records(2).Checkpoint().Losing(2, lost == "HERE" ? folder.Path : lost).Records(1).Checkpoint(ChainFormat.Closed);

        var verified = Verify(chain.Lines, sink: sink);
        verified.Problems.Any(problem => problem.Contains("are missing before it")).ShouldBe(!excused);
        verified.Notes.Any(note => note.Contains("this sink did not accept")).ShouldBe(excused);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void L15_An_excuse_is_not_believed_before_a_checkpoint_stands_behind_it(bool withKey)
    {
        var chain = Chain(signed: withKey).Opened(newFile: true).Records(2).Checkpoint();
        var head = chain.Lines[^1];

        Verify(chain.Losing(2, folder.Path).Lines, head, withKey).Problems.ShouldHaveSingleItem().ShouldContain("are missing before it");
    }

    [Fact]
    public void What_was_taken_before_a_loss_waits_for_no_checkpoint()
    {
        var chain = Chain().Opened(newFile: true).Records(1);
        time.Advance(TimeSpan.FromMinutes(1));

        Verify(chain.Losing(1, folder.Path).Records(1).Checkpoint(ChainFormat.Closed).Lines).Problems.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("another line")]
    [InlineData("another number")]
    [InlineData("another chain")]
    [InlineData("another key")]
    [InlineData("another loss")]
    public void L15_An_excuse_is_not_believed_for_a_checkpoint_that_does_not_stand_behind_it(string how)
    {
        var chain = Chain().Opened(newFile: true).Records(2).Checkpoint().Records(4).Checkpoint().Opened().Records(1).Checkpoint(ChainFormat.Closed);
        var other = Chain().Opened(newFile: true).Records(6).Checkpoint();
        Forger.TryRead(chain.Lines[5], out var id, out _, out var after);
        var excuse = Forger.Chained(Forger.Line($$"""{"event":"resumed","sink":"here","lostFrom":5,"lostTo":6,"last":"{{Hash(chain.Lines[3])}}","after":"{{after}}"}"""), id, 7, after);
        List<byte[]> lines = [.. chain.Lines[..4], excuse];
        if (how == "another line") lines.AddRange(chain.Lines[7..]);
        else if (how == "another number") lines.AddRange([Forger.Chained(chain.Lines[8], id, 9, Hash(excuse)), .. chain.Lines[9..]]);
        else if (how == "another chain") lines.AddRange([Forger.Chained(other.Lines[7], other.Head.Chain, 8, Hash(excuse)), .. chain.Lines[7..]]);
        else if (how == "another key")
        {
            using var foreign = new ComposedChain(GenuineAudit.NewKey(), time, new(id, 7, Hash(excuse)));
            lines.AddRange([.. foreign.Checkpoint().Lines, .. chain.Lines[8..]]);
        }
        else
        {
            // A genuine one, that is made to excuse more: its hash is not its own any more.
            chain = Chain().Opened(newFile: true).Records(2).Checkpoint().Records(1).Losing(1, folder.Path).Checkpoint(ChainFormat.Closed);
            var told = Encoding.UTF8.GetString(chain.Lines[5]).Replace("\"lostFrom\":6", "\"lostFrom\":5").Replace(Hash(chain.Lines[4]), Hash(chain.Lines[3]));
            lines = [.. chain.Lines[..4], Forger.Line(told), .. chain.Lines[6..]];
        }

        Verify(lines, chain.Lines[^1]).Problems.ShouldContain("audit.jsonl:5: records 5 to 6 are missing before it.");
    }

    [Fact]
    public void L15_A_checkpoint_that_is_made_up_vouches_for_nothing()
    {
        var chain = Ended();
        List<byte[]> lines = [.. chain.Lines[..^1]];
        var made = chain.Lines[^1].AsSpan().ToArray();
        var text = Encoding.UTF8.GetString(made);
        var at = text.IndexOf("\"signature\":\"", StringComparison.Ordinal) + 20;
        text = text[..at] + (text[at] == 'A' ? 'B' : 'A') + text[(at + 1)..];
        Forger.TryRead(chain.Lines[^2], out var id, out var seq, out var before);
        lines.Add(Forger.Chained(Forger.Line(text), id, seq + 1, before));
        time.Advance(TimeSpan.FromMinutes(1));

        var problems = Verify(lines).Problems;
        problems.ShouldContain(problem => problem.Contains("the checkpoint is not signed with this key"));
        problems.ShouldContain(problem => problem.Contains("The last 4 records are not covered by a checkpoint"));
    }

    [Fact]
    public void L15_What_is_put_behind_a_checkpoints_signature_is_found()
    {
        // An end that is none: the broker went on, and what it wrote was cut off.
        var chain = Chain().Opened(newFile: true).Records(2).Checkpoint();
        var text = Encoding.UTF8.GetString(chain.Lines[^1]).Replace(",\"chain\":", ",\"why\":\"closed\",\"chain\":");
        Forger.TryRead(chain.Lines[^2], out var id, out var seq, out var before);
        chain.Lines[^1] = Forger.Chained(Forger.Line(text), id, seq + 1, before);

        Verify(chain.Lines).Problems.ShouldContain(problem => problem.Contains("the checkpoint is not signed with this key"));
    }

    [Fact]
    public void L15_More_records_than_stand_between_two_checkpoints_are_found()
    {
        // A file that begins, and up to four sinks that lost records, are told of in lines of their own.
        var chain = Chain().Opened(newFile: true).Records(ChainFormat.CheckpointEvery + 4);
        Verify(chain.Lines).Problems.ShouldBeEmpty();

        Verify(chain.Records(1).Lines).Problems.ShouldHaveSingleItem().ShouldContain("1006 records without a checkpoint");
    }

    [Fact]
    public void A_broker_that_died_among_many_records_and_the_next_leave_no_more_than_twice_as_many()
    {
        var chain = Chain().Opened(newFile: true).Records(800).Opened().Records(1200);
        Verify(chain.Lines).Problems.ShouldBeEmpty();

        Verify(chain.Records(10).Opened().Records(10).Lines).Problems.ShouldHaveSingleItem().ShouldContain("2011 records without a checkpoint");
    }

    [Theory]
    [InlineData("opened")]
    [InlineData("resumed")]
    public void L15_Made_up_lines_count_like_records_whatever_they_say_they_are(string what)
    {
        var chain = Chain().Opened(newFile: true).Records(2).Checkpoint();

        Verify(Made(chain, 1200, $$"""{"time":"2026-03-01T12:00:00.0000000Z","event":"{{what}}"}"""), chain.Lines[^1]).Problems.ShouldContain(problem => problem.Contains("1006 records without a checkpoint"));
    }

    [Theory]
    [InlineData("\"x\"")]
    [InlineData("5")]
    [InlineData("null")]
    public void L15_A_line_of_a_kind_that_no_broker_writes_is_found(string what)
    {
        var chain = Chain().Opened(newFile: true).Records(2).Checkpoint();

        Verify(Made(chain, 1, $$"""{"time":"2026-03-01T12:00:00.0000000Z","event":{{what}},"action":"claim","outcome":"granted"}"""), chain.Lines[^1])
            .Problems.ShouldBe(["audit.jsonl:5: is of a kind that no broker writes: it was put here."]);
    }

    [Theory]
    [InlineData(false, 29, false)]
    [InlineData(false, 31, true)]
    [InlineData(true, 29, false)]
    [InlineData(true, 31, true)]
    public void L15_Records_whose_time_is_still_to_come_are_overdue(bool ended, int seconds, bool overdue)
    {
        var chain = ended ? Ended() : Chain().Opened(newFile: true).Records(2).Checkpoint();
        var when = (time.GetUtcNow() + TimeSpan.FromSeconds(seconds)).ToString("O");

        // The first says a time that would excuse it.
        var opened = Behind(chain.Head, """{"time":"2026-03-01T12:00:00.0000000Z","event":"opened","after":"AFTER","started":true}""");
        var end = new ChainHead(chain.Head.Chain, chain.Head.Seq + 1, Hash(opened));
        var forged = Behind(end, $$"""{"time":"{{when}}","action":"claim","outcome":"granted","caller":{"subject":"somebody-else"},"databaseUser":"v-app-1"}""");

        Verify([.. chain.Lines, opened, forged], chain.Lines[^1]).Problems.Any(problem => problem.Contains("nothing shows that they are unchanged")).ShouldBe(overdue);
    }

    [Fact]
    public void L15_Records_of_a_file_that_nobody_writes_any_more_are_overdue_whatever_time_they_say()
    {
        var chain = Chain().Opened(newFile: true).Records(2).Checkpoint();
        Write(Made(chain, 1, """{"time":"2026-03-01T12:00:00.0000000Z","action":"claim","outcome":"granted"}"""));
        File.WriteAllBytes(Head, chain.Lines[^1]);
        File.SetLastWriteTimeUtc(folder.Path, time.GetUtcNow().UtcDateTime - TimeSpan.FromSeconds(29));
        Verify().Problems.ShouldBeEmpty();

        File.SetLastWriteTimeUtc(folder.Path, time.GetUtcNow().UtcDateTime - TimeSpan.FromSeconds(31));
        Verify().Problems.ShouldHaveSingleItem().ShouldContain("nothing shows that they are unchanged");
    }

    [Fact]
    public void L15_Records_that_waited_too_long_for_a_checkpoint_are_found_where_they_stand()
    {
        var chain = Chain().Opened(newFile: true).Records(1);
        time.Advance(TimeSpan.FromSeconds(31));

        Verify(chain.Records(1).Checkpoint(ChainFormat.Closed).Lines).Problems.ShouldHaveSingleItem().ShouldContain("audit.jsonl:3: no checkpoint since");
    }

    [Fact]
    public void L15_What_says_no_time_has_waited_too_long()
    {
        var chain = Chain().Opened(newFile: true).Records(1).Checkpoint();

        Verify([.. chain.Lines, Behind(chain.Head, """{"action":"claim","outcome":"granted"}""")], chain.Lines[^1]).Problems.ShouldHaveSingleItem().ShouldContain("nothing shows that they are unchanged");
    }

    [Fact]
    public void L15_An_empty_file_is_no_audit() => Verify([], head: null).Problems.ShouldBe(["There are no records."]);

    [Fact]
    public void An_audit_that_begins_has_no_checkpoint_and_nothing_wrong()
    {
        var verified = Verify(Chain().Opened(newFile: true).Records(1).Lines);
        verified.Problems.ShouldBeEmpty();
        verified.Notes.ShouldContain(note => note.Contains("are not covered by a checkpoint yet"));
    }

    [Fact]
    public void Without_a_key_a_checkpoint_that_is_missing_or_late_is_told_and_no_fault()
    {
        var chain = Chain(signed: false).Opened(newFile: true).Records(1).Checkpoint().Records(1);
        time.Advance(TimeSpan.FromMinutes(1));

        var verified = Verify(chain.Lines, head: null, withKey: false);
        verified.Problems.ShouldBeEmpty();
        verified.Notes.ShouldContain(note => note.Contains("There is no audit.jsonl.head beside the last file"));
        verified.Notes.ShouldContain(note => note.Contains("are not covered by a checkpoint yet"));
    }

    [Fact]
    public void A_broker_that_goes_on_after_an_end_has_not_ended_its_chain()
    {
        var verified = Verify(Ended().Opened().Checkpoint().Lines);
        verified.Problems.ShouldBeEmpty();
        verified.Notes.ShouldBe(["The broker has not ended this chain: it is still running, or it died."]);
    }

    [Fact]
    public void What_one_chain_left_open_is_not_held_against_the_next()
    {
        var first = Chain().Opened(newFile: true).Records(1).Checkpoint().Records(1);
        time.Advance(TimeSpan.FromMinutes(1));
        var second = Chain().Opened(behind: first.Head).Records(1).Checkpoint(ChainFormat.Closed);

        Verify([.. first.Lines, .. second.Lines]).Problems.ShouldBeEmpty();
    }

    [Fact]
    public void L15_An_end_that_was_written_anew_is_found_without_a_key_while_its_checkpoint_stands_beside_it()
    {
        var chain = Chain(signed: false).Opened(newFile: true).Records(2).Checkpoint(ChainFormat.Closed);
        var rewritten = Chain(signed: false, from: new(chain.Head.Chain, 0, ChainHead.Nothing)).Opened(newFile: true).Records(1).Checkpoint().Checkpoint(ChainFormat.Closed);

        Verify(rewritten.Lines, chain.Lines[^1], withKey: false).Problems.ShouldContain(problem => problem.Contains("the end was rewritten"));
    }

    [Fact]
    public void L15_Only_a_checkpoint_is_kept_beside_the_file()
    {
        var chain = Ended();

        Verify(chain.Lines, chain.Lines[1]).Problems.ShouldBe(["audit.jsonl.head: is not a checkpoint."]);
        Verify(chain.Lines, Forger.Line("what is this")).Problems.ShouldBe(["audit.jsonl.head: is not a checkpoint."]);
    }

    [Fact]
    public void L15_The_checkpoint_beside_the_file_is_of_these_files()
    {
        var other = Ended();

        Verify(Ended().Lines, other.Lines[^1]).Problems.ShouldHaveSingleItem().ShouldContain("is not among these files: it belongs to another audit, or is an older one.");
    }

    [Fact]
    public void L15_The_checkpoint_beside_the_file_is_not_two_behind()
    {
        var chain = Chain().Opened(newFile: true).Records(1).Checkpoint().Records(1).Checkpoint().Records(1).Checkpoint();

        Verify(chain.Lines, chain.Lines[2]).Problems.ShouldHaveSingleItem().ShouldContain("somebody put an old one back");
    }

    [Theory]
    [InlineData("interval", false)]
    [InlineData(ChainFormat.Closed, true)]
    public void L15_The_checkpoint_beside_the_file_may_be_one_behind_unless_the_broker_ended(string why, bool wrong)
    {
        var chain = Chain().Opened(newFile: true).Records(1).Checkpoint().Records(1).Checkpoint(why);

        var verified = Verify(chain.Lines, chain.Lines[2]);
        verified.Problems.Any(problem => problem.Contains("somebody put an old one back")).ShouldBe(wrong);
        verified.Notes.Any(note => note.Contains("is one checkpoint behind")).ShouldBe(!wrong);
    }

    [Fact]
    public void A_broker_that_writes_while_its_audit_is_verified_has_put_nothing_back()
    {
        var chain = Chain().Opened(newFile: true).Records(1).Checkpoint();
        Write(chain.Lines);
        File.WriteAllBytes(Head, chain.Lines[^1]);

        // Anchors are read after the checkpoint beside the file and before the file.
        var goesOn = new Meanwhile(() =>
        {
            chain.Records(1).Checkpoint().Records(1).Checkpoint();
            Write(chain.Lines);
            File.WriteAllBytes(Head, chain.Lines[^1]);
            var anchors = Path.Combine(folder.Root, "anchors");
            File.WriteAllText(anchors, ChainAnchor.Write(chain.Lines[^1]));
            return anchors;
        });

        ChainVerifier.Against([folder.Path], new VerifyOptions { KeysPem = [key], Time = time, Anchors = goesOn }).Problems.ShouldBeEmpty();
    }

    [Fact]
    public void Anchors_of_files_that_were_dropped_and_of_records_that_a_sink_lost_are_not_missed()
    {
        var chain = Chain().Opened(newFile: true).Records(1).Checkpoint().Opened(started: false, newFile: true).Records(1).Checkpoint();
        var lost = chain.Checkpoint().Lines[^1];
        chain.Lines.RemoveAt(chain.Lines.Count - 1);
        var before = new ChainHead(chain.Head.Chain, chain.Head.Seq - 1, Hash(chain.Lines[^1]));
        using var resumed = new AuditChain(CheckpointKey.Read(key));
        resumed.Begin(chain.Head);
        resumed.AppendResumed(time.GetUtcNow(), folder.Path, before, chain.Head);
        chain.Lines.Add(resumed.Lines.TrimEnd((byte)'\n').ToArray());
        var rest = Chain(from: resumed.Head).Records(1).Checkpoint(ChainFormat.Closed);

        Verify([.. chain.Lines[3..], .. rest.Lines], rest.Lines[^1], anchors: [chain.Lines[2], lost, rest.Lines[^1]]).Problems.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("before")]
    [InlineData("behind")]
    [InlineData("another chain")]
    public void L15_A_loss_excuses_no_anchor_but_of_what_was_lost(string what)
    {
        var genuine = Chain().Opened(newFile: true).Records(1).Checkpoint().Records(1).Checkpoint().Records(1).Checkpoint().Records(1).Checkpoint();

        // Cut back while the broker was stopped; it went on, and its disk was full for two records.
        var start = new ChainHead(genuine.Head.Chain, 1, Hash(genuine.Lines[0]));
        var (records, losing) = what == "before" ? (3, 2) : (1, 2);
        var again = Chain(from: start).Records(records).Losing(losing, folder.Path).Records(4).Checkpoint(ChainFormat.Closed);
        List<byte[]> lines = [genuine.Lines[0], .. again.Lines];
        var anchor = what == "before" ? genuine.Lines[2] : genuine.Lines[6];
        if (what == "another chain")
        {
            var other = Chain().Opened(behind: again.Head).Records(1).Checkpoint().Records(2).Checkpoint(ChainFormat.Closed);
            lines.AddRange(other.Lines);
            anchor = Chain(from: new(other.Head.Chain, 2, ChainHead.Nothing)).Checkpoint().Lines[^1];
        }

        Verify(lines, lines[^1], anchors: [anchor]).Problems.ShouldHaveSingleItem().ShouldContain("the anchors and these files have different checkpoints");
    }

    [Fact]
    public void L15_A_log_with_words_that_are_no_anchors_is_read_all_the_same()
    {
        var chain = Ended();
        Write(chain.Lines);
        File.WriteAllBytes(Head, chain.Lines[^1]);
        var log = Path.Combine(folder.Root, "log");
        File.WriteAllText(log, $"audit-anchor.AAAAA audit-anchor.AAAA audit-anchor.\n{ChainAnchor.Write(chain.Lines[^1])}\n");

        ChainVerifier.Against([folder.Path], new VerifyOptions { KeysPem = [key], Time = time, Anchors = [log] }).Problems.ShouldBeEmpty();
    }

    private ComposedChain Ended() => Chain().Opened(newFile: true).Records(2).Checkpoint(ChainFormat.Closed);

    private ComposedChain Chain(bool signed = true, ChainHead? from = null)
    {
        var chain = new ComposedChain(signed ? key : null, time, from);
        composed.Add(chain);
        return chain;
    }

    // What somebody without the key can put there: it follows as it has to.
    private static byte[] Behind(ChainHead end, string json) => Forger.Chained(Forger.Line(json.Replace("AFTER", end.Hash)), end.Chain, end.Seq + 1, end.Hash);

    // As many of one kind as wanted, behind what is there.
    private static List<byte[]> Made(ComposedChain chain, int count, string json)
    {
        var (lines, end) = (new List<byte[]>(chain.Lines), chain.Head);
        for (; count > 0; count--)
        {
            lines.Add(Behind(end, json));
            end = new(end.Chain, end.Seq + 1, Hash(lines[^1]));
        }

        return lines;
    }

    private static string Hash(byte[] line) => Forger.TryRead(line, out _, out _, out var hash) ? hash : throw new ArgumentException("It is no line of a chain.");

    private void Write(IEnumerable<byte[]> lines) => File.WriteAllBytes(folder.Path, [.. lines.SelectMany(line => line.Append((byte)'\n'))]);

    // Beside the file stands its last line when that is a checkpoint.
    private AuditVerification Verify(IReadOnlyList<byte[]> lines, string? sink = null) => Verify(lines, lines.Count > 0 && Forger.Is(lines[^1], "checkpoint") ? lines[^1] : null, sink: sink);

    private AuditVerification Verify(IReadOnlyList<byte[]> lines, byte[]? head, bool withKey = true, string? sink = null, IReadOnlyList<byte[]>? anchors = null)
    {
        Write(lines);
        File.Delete(Head);
        if (head is not null) File.WriteAllBytes(Head, head);
        var log = Path.Combine(folder.Root, "log");
        if (anchors is not null) File.WriteAllLines(log, anchors.Select(static anchor => ChainAnchor.Write(anchor)));
        return Verify(withKey, sink, anchors is null ? [] : [log]);
    }

    private AuditVerification Verify(bool withKey = true, string? sink = null, IReadOnlyList<string>? anchors = null) =>
        ChainVerifier.Against([folder.Path], new VerifyOptions { KeysPem = withKey ? [key] : [], Time = time, Sink = sink, Anchors = anchors ?? [] });

    /// <summary>Anchors before which something happens.</summary>
    private sealed class Meanwhile(Func<string> happens) : IReadOnlyCollection<string>
    {
        public int Count => 1;

        public IEnumerator<string> GetEnumerator()
        {
            yield return happens();
        }

        System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
