using System.Security.Cryptography;
using System.Text;
using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Audit;
using Broker.Core.Audit.Chain;
using Broker.Core.Audit.Reading;
using Broker.Core.Catalog;
using LoadTests.FromInside.Tampering;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Audit;

/// <summary>Somebody who can write the audit and what stands beside it, knows the format, and has everything but the key (law L15).</summary>
public sealed class TamperingTests : IDisposable
{
    private readonly AuditFolder folder = new();
    private readonly FakeTimeProvider time = new(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly StringBuilder log = new();
    private readonly string key;

    public TamperingTests()
    {
        using var made = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        key = made.ExportECPrivateKeyPem();
        File.WriteAllText(KeyFile, key);
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string KeyFile => Path.Combine(folder.Root, "key.pem");

    private string Head => folder.Path + ".head";

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task L15_Whatever_is_done_to_a_signed_audit_is_found_or_on_the_list_of_what_nobody_can_know(int seed)
    {
        // The whole hundred thousand: loadtests tamper.
        var result = await TamperRun.RunAsync(400, seed, 200, Directory.CreateDirectory(Path.Combine(folder.Root, "scratch")).FullName, Cancel);

        result.Missed.ShouldBeEmpty();
        result.Found.ShouldBeGreaterThan(300, "a run that finds nothing has changed nothing");
    }

    [Fact]
    public async Task Files_are_read_in_their_order_also_where_a_broker_died_as_it_began_one()
    {
        await WriteAsync(3);
        var lines = AuditFolder.Lines(folder.Path);
        var scratch = Directory.CreateDirectory(Path.Combine(folder.Root, "scratch")).FullName;
        await File.WriteAllTextAsync(Path.Combine(scratch, "audit.jsonl"), "{\"time\":\"2026-03\n" + lines[^1] + "\n", Cancel);
        await File.WriteAllTextAsync(Path.Combine(scratch, "audit.jsonl.1"), string.Join('\n', lines[..^1]) + "\n", Cancel);

        AuditState.Read(scratch).Files.Select(file => file.Name).ShouldBe(["audit.jsonl.1", "audit.jsonl"]);
    }

    [Fact]
    public async Task L15_Another_chain_behind_this_one_is_found_while_the_genuine_checkpoint_stands_beside_it()
    {
        await WriteAsync(20);
        var other = await OtherReplicaAsync();

        await File.AppendAllTextAsync(folder.Path, other.Text, Cancel);

        Verify().Problems.ShouldContain(problem => problem.Contains("it was put here"));
        await File.WriteAllTextAsync(Head, other.Head, Cancel);
        Verify().Problems.ShouldContain(problem => problem.Contains("it was put here"), "with the other chain's checkpoint too");
    }

    [Theory]
    [InlineData("before", 7, "hash", true)]
    [InlineData("another", 7, "hash", false)]
    [InlineData("before", 8, "hash", false)]
    [InlineData("before", 7, "another", false)]
    public void L15_A_chain_follows_the_end_that_it_names_and_no_other(string chain, long seq, string hash, bool follows)
    {
        using var next = new AuditChain(null);
        next.Begin(ChainHead.New());
        next.AppendOpened(time.GetUtcNow(), new Opening(Started: true, NewFile: false, Torn: false, Behind: new("before", 7, "hash"), Doubt: null));

        ChainLine.Parse(next.Lines.TrimEnd((byte)'\n').ToArray()).ShouldNotBeNull().FollowsChain(new(chain, seq, hash)).ShouldBe(follows);
    }

    [Fact]
    public async Task L15_A_chain_whose_end_is_missing_is_found_where_the_next_begins()
    {
        await WriteAsync(20);
        var other = await OtherReplicaAsync();
        var lines = AuditFolder.Lines(folder.Path);

        await File.WriteAllTextAsync(folder.Path, string.Join('\n', lines[..10]) + "\n" + other.Text, Cancel);
        await File.WriteAllTextAsync(Head, other.Head, Cancel);

        Verify().Problems.ShouldNotBeEmpty();
    }

    [Fact]
    public async Task L15_An_excuse_for_a_gap_that_nobody_signed_is_not_believed()
    {
        await WriteAsync(20);
        var lines = AuditFolder.Lines(folder.Path).Select(Encoding.UTF8.GetBytes).ToList();
        Forger.TryRead(lines[4], out var chain, out _, out var last);
        Forger.TryRead(lines[9], out _, out var to, out var after);
        var state = new AuditState([("audit.jsonl", [.. lines[..5], .. lines[10..]])], null);
        var excuse = Forger.Chained(
            Forger.Line($$"""{"time":"2026-03-01T12:00:00.0000000Z","event":"resumed","sink":"{{folder.Path}}","lostFrom":6,"lostTo":{{to}},"last":"{{last}}","after":"{{after}}"}"""),
            chain, to + 1, after);
        state.Files[0].Lines[5] = excuse;
        await WriteAsync(state);
        Verify().Problems.ShouldNotBeEmpty("the excuse stands in place of a record");

        state.Files[0].Lines.Insert(6, lines[11]);
        Forger.Rechain(state, 6, renumber: true);
        await WriteAsync(state);
        Verify().Problems.ShouldNotBeEmpty("the excuse, and all behind it chained anew");
    }

    [Fact]
    public async Task L15_An_older_genuine_checkpoint_beside_the_file_is_found()
    {
        string? older = null;
        await WriteAsync(30, number =>
        {
            if (number == 10) older = File.ReadAllText(Head);
        });

        await File.WriteAllTextAsync(Head, older, Cancel);

        Verify().Problems.ShouldContain(problem => problem.Contains("somebody put an old one back"));
    }

    [Fact]
    public async Task L15_A_checkpoint_that_is_gone_is_found()
    {
        await WriteAsync(20);
        File.Delete(Head);

        Verify().Problems.ShouldContain(problem => problem.Contains("the end may have been cut off"));
        ChainVerifier.Against([folder.Path], new VerifyOptions { KeysPem = [key], WantsHead = false }).Problems.ShouldBeEmpty("it can be said that it was not copied");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task L15_What_was_cut_together_with_its_checkpoint_is_found_by_what_the_log_says(bool whileStopped)
    {
        byte[]? text = null, head = null;
        await WriteAsync(30, number =>
        {
            if (number == 10) (text, head) = (File.ReadAllBytes(folder.Path), File.ReadAllBytes(Head));
        });
        await File.WriteAllBytesAsync(folder.Path, text!, Cancel);
        await File.WriteAllBytesAsync(Head, head!, Cancel);
        if (whileStopped) await WriteAsync(5);

        Verify().Problems.ShouldBeEmpty("this is what nobody can know from the files alone");
        Verify(anchored: true).Problems.ShouldContain(problem => problem.Contains(whileStopped ? "different checkpoints" : "cut off"));
    }

    [Fact]
    public async Task L15_Anchors_of_an_audit_that_nobody_touched_are_all_found()
    {
        for (var run = 0; run < 3; run++) await WriteAsync(30);

        var verified = Verify(anchored: true);
        verified.Problems.ShouldBeEmpty();
        verified.Notes.ShouldBeEmpty();
        log.ToString().Split("audit-anchor.").Length.ShouldBeGreaterThan(3);
    }

    [Fact]
    public async Task L15_The_log_of_a_broker_that_refused_somebody_unproven_anchors_its_audit_alone()
    {
        await WriteAsync(30);
        var settings = new AuditSettings { Path = folder.Path, SigningKeyFile = KeyFile }.ForUnproven().ShouldNotBeNull();
        await using (var apart = new JsonLinesAudit(settings, time, new LoggedText(folder, log))) await apart.WriteAsync(AuditFolder.Record("nobody's"), Cancel);

        Verify(anchored: true).Problems.ShouldBeEmpty();
    }

    [Fact]
    public async Task L15_Anchors_of_another_audit_or_of_nobody_say_nothing_for_this_one()
    {
        await WriteAsync(3);
        var others = (await OtherReplicaAsync()).Head.Trim();
        var at = others.IndexOf("\"signature\":\"", StringComparison.Ordinal) + 20;
        var forged = others[..at] + (others[at] == 'A' ? 'B' : 'A') + others[(at + 1)..];

        Held(others).Count.ShouldBe(2);
        Held(others).ShouldContain(problem => problem.Contains("The anchors have a chain"));
        Held(others).ShouldContain(problem => problem.Contains("no genuine checkpoint of a chain in these files"));
        Held(forged).ShouldHaveSingleItem().ShouldContain("no genuine checkpoint of a chain in these files");

        IReadOnlyList<string> Held(string checkpoint)
        {
            var anchors = Path.Combine(folder.Root, "anchors.log");
            File.WriteAllText(anchors, ChainAnchor.Write(Encoding.UTF8.GetBytes(checkpoint)));
            return ChainVerifier.Against([folder.Path], new VerifyOptions { KeysPem = [key], Anchors = [anchors] }).Problems;
        }
    }

    [Theory]
    [InlineData("signature")]
    [InlineData("head")]
    [InlineData("key")]
    [InlineData("event")]
    public async Task L15_A_word_that_anybody_wrote_into_the_log_keeps_nobody_from_verifying(string name)
    {
        await WriteAsync(3);
        var made = System.Text.RegularExpressions.Regex.Replace(AuditFolder.Lines(folder.Path)[^1], $"\"{name}\":\"[^\"]*\"", $"\"{name}\":\"\\ud800\"");
        made.ShouldContain("ud800");
        log.AppendLine($"Refused not-allowed to an unproven caller: role {ChainAnchor.Write(Encoding.UTF8.GetBytes(made))}");

        Verify(anchored: true).Problems.ShouldBeEmpty();
    }

    [Fact]
    public void L15_An_anchor_that_a_caller_writes_is_not_whole_in_a_line_of_the_log()
    {
        var word = ChainAnchor.Write("""{"event":"checkpoint","signature":"\ud800"}"""u8);

        RefusalWriter.Short($"role {word} is not allowed").ShouldBe("role audit-anchor.… is not allowed");
        ChainAnchor.Read(RefusalWriter.Short(word)).ShouldBeEmpty();
    }

    [Fact]
    public async Task L15_The_last_checkpoint_of_a_broker_that_ends_is_in_the_log_however_lately_one_was()
    {
        await WriteAsync(3, anchorEvery: TimeSpan.FromHours(1));
        log.ToString().ShouldContain(ChainAnchor.Write(Encoding.UTF8.GetBytes(AuditFolder.Lines(folder.Path)[^1])));
    }

    [Fact]
    public async Task L15_An_end_that_only_says_it_is_one_is_found()
    {
        string? interrupted = null;
        await WriteAsync(20, number =>
        {
            if (number == 15) interrupted = File.ReadAllText(folder.Path);
        });
        await File.WriteAllTextAsync(folder.Path, interrupted, Cancel);
        var state = new AuditState([("audit.jsonl", [.. AuditFolder.Lines(folder.Path).Select(Encoding.UTF8.GetBytes)])], null);
        var last = state.Files[0].Lines.FindLastIndex(line => Forger.Is(line, "checkpoint"));
        state.Files[0].Lines.RemoveRange(last + 1, state.Files[0].Lines.Count - last - 1);
        state.Files[0].Lines[last] = Forger.Line(Encoding.UTF8.GetString(state.Files[0].Lines[last]).Replace("\"interval\"", "\"closed\""));
        Forger.Rechain(state, last, renumber: false);
        await WriteAsync(state with { Head = state.Files[0].Lines[last] });

        Verify().Problems.ShouldContain(problem => problem.Contains("not signed with this key"));
    }

    [Fact]
    public async Task L15_Records_behind_the_last_checkpoint_are_no_audit_when_none_comes()
    {
        await WriteAsync(20);
        var lines = AuditFolder.Lines(folder.Path);
        var last = lines[^1];
        Forger.TryRead(Encoding.UTF8.GetBytes(last), out var chain, out var seq, out var hash);
        var opened = Forger.Chained(Forger.Line($$"""{"time":"{{time.GetUtcNow():O}}","event":"opened","after":"{{hash}}","started":true}"""), chain, seq + 1, hash);
        await File.AppendAllTextAsync(folder.Path, Encoding.UTF8.GetString(opened) + "\n", Cancel);

        ChainVerifier.Against([folder.Path], new VerifyOptions { KeysPem = [key], Time = time }).Problems.ShouldBeEmpty("a broker may have started this very second");
        Verify().Problems.ShouldContain(problem => problem.Contains("nothing shows"));
    }

    [Theory]
    [InlineData("gone")]
    [InlineData("older")]
    [InlineData("other")]
    public async Task L15_What_a_broker_finds_wrong_beside_its_file_at_its_start_stays_in_the_record(string what)
    {
        string? older = null;
        await WriteAsync(30, number =>
        {
            if (number == 10) older = File.ReadAllText(Head);
        });
        if (what == "gone") File.Delete(Head);
        else await File.WriteAllTextAsync(Head, what == "older" ? older : (await OtherReplicaAsync()).Head, Cancel);

        await WriteAsync(5);

        folder.Events.ShouldContain(5010);
        Verify().Problems.ShouldContain(problem => problem.Contains("the broker that started here found"));
    }

    [Fact]
    public async Task L15_A_broker_that_died_is_no_attack_and_what_it_left_is_told()
    {
        byte[]? text = null, head = null;
        await WriteAsync(15, number =>
        {
            if (number == 12) (text, head) = (File.ReadAllBytes(folder.Path), File.ReadAllBytes(Head));
        });
        await File.WriteAllBytesAsync(folder.Path, text!, Cancel);
        await File.WriteAllBytesAsync(Head, head!, Cancel);
        await WriteAsync(5);

        var verified = Verify();
        verified.Problems.ShouldBeEmpty();
        verified.Notes.ShouldContain(note => note.Contains("before it died"));
    }

    private async Task WriteAsync(int records, Action<int>? between = null, TimeSpan? anchorEvery = null)
    {
        await using var audit = new JsonLinesAudit(
            new AuditSettings { Path = folder.Path, SigningKeyFile = KeyFile, AnchorEvery = anchorEvery ?? TimeSpan.FromSeconds(5) }, time, new LoggedText(folder, log));
        for (var number = 0; number < records; number++)
        {
            between?.Invoke(number);
            await audit.WriteAsync(AuditFolder.Record($"{number}"), Cancel);
            await Eventually.StepsAsync(
                () =>
                {
                    if (AuditFolder.Lines(folder.Path)[^1].Contains("checkpoint")) return Task.FromResult(true);
                    time.Advance(TimeSpan.FromSeconds(1));
                    return Task.FromResult(false);
                },
                "a pause brings a checkpoint",
                Cancel);
            time.Advance(TimeSpan.FromSeconds(1));
        }

    }

    private async Task<(string Text, string Head)> OtherReplicaAsync()
    {
        var path = Path.Combine(folder.Root, "other");
        await using (var audit = new JsonLinesAudit(new AuditSettings { Path = path, SigningKeyFile = KeyFile }, time, new LoggedText(folder, new())))
            for (var number = 0; number < 10; number++) await audit.WriteAsync(AuditFolder.Record($"other {number}"), Cancel);
        return (await File.ReadAllTextAsync(path, Cancel), await File.ReadAllTextAsync(path + ".head", Cancel));
    }

    private async Task WriteAsync(AuditState state)
    {
        await File.WriteAllBytesAsync(folder.Path, [.. state.Lines.SelectMany(line => line.Append((byte)'\n'))], Cancel);
        if (state.Head is not null) await File.WriteAllBytesAsync(Head, state.Head, Cancel);
    }

    private AuditVerification Verify(bool anchored = false)
    {
        var anchors = Path.Combine(folder.Root, "broker.log");
        File.WriteAllText(anchors, log.ToString());
        return ChainVerifier.Against([folder.Path], new VerifyOptions { KeysPem = [key], Anchors = anchored ? [anchors] : [] });
    }
}
