using System.Security.Cryptography;
using Broker.Core.Audit;
using Broker.Core.Audit.Reading;
using Broker.Core.Catalog;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Audit;

/// <summary>An audit that somebody changed afterwards.</summary>
public sealed class ChainTests : IDisposable
{
    private readonly AuditFolder folder = new();
    private readonly FakeTimeProvider time = new(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly string key;
    private readonly string publicKey;

    public ChainTests()
    {
        using var made = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        (key, publicKey) = (made.ExportECPrivateKeyPem(), made.ExportSubjectPublicKeyInfoPem());
        File.WriteAllText(KeyFile, key);
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string KeyFile => Path.Combine(folder.Root, "audit.pem");

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task What_nobody_touched_verifies_through_restarts_and_rotations()
    {
        for (var run = 0; run < 3; run++) await WriteAsync(40, rotateEvery: 12);

        var verified = Verify();
        verified.Problems.ShouldBeEmpty();
        verified.Notes.ShouldBeEmpty();
        verified.Checkpoints.ShouldBeGreaterThan(8);
        AuditFiles().Length.ShouldBeGreaterThan(8);
    }

    [Fact]
    public async Task Old_files_beyond_those_to_keep_are_dropped_and_what_is_left_verifies()
    {
        await WriteAsync(60, rotateEvery: 5, keep: 3);

        AuditFiles().Length.ShouldBe(4);
        var verified = Verify();
        verified.Problems.ShouldBeEmpty();
        verified.Notes.ShouldHaveSingleItem().ShouldContain("not among these files");
    }

    [Fact]
    public async Task Every_changed_byte_of_every_record_is_found()
    {
        await WriteAsync(12);
        var before = await File.ReadAllBytesAsync(folder.Path, Cancel);

        // Each byte once, by its lowest bit; line breaks make other lines of it, which is found too.
        for (var at = 0; at < before.Length; at++)
        {
            var changed = (byte[])before.Clone();
            changed[at] ^= 1;
            await File.WriteAllBytesAsync(folder.Path, changed, Cancel);
            Verify().Problems.ShouldNotBeEmpty($"byte {at} of {before.Length} was changed");
        }
    }

    [Fact]
    public async Task Every_missing_record_is_found_wherever_it_stood()
    {
        await WriteAsync(30);
        var lines = AuditFolder.Lines(folder.Path);
        for (var gone = 0; gone < lines.Length; gone++)
        {
            await File.WriteAllLinesAsync(folder.Path, [.. lines[..gone], .. lines[(gone + 1)..]], Cancel);
            Verify().Problems.ShouldNotBeEmpty($"line {gone + 1} of {lines.Length} is missing");
        }
    }

    [Fact]
    public async Task Every_two_records_that_changed_places_are_found()
    {
        await WriteAsync(30);
        var lines = AuditFolder.Lines(folder.Path);
        for (var at = 0; at + 1 < lines.Length; at++)
        {
            var swapped = (string[])lines.Clone();
            (swapped[at], swapped[at + 1]) = (swapped[at + 1], swapped[at]);
            await File.WriteAllLinesAsync(folder.Path, swapped, Cancel);
            Verify().Problems.ShouldNotBeEmpty($"lines {at + 1} and {at + 2} were swapped");
        }
    }

    [Fact]
    public async Task A_cut_at_the_end_is_found_by_the_checkpoint_beside_the_file()
    {
        await WriteAsync(30);
        var lines = AuditFolder.Lines(folder.Path);
        for (var left = 1; left < lines.Length; left++)
        {
            await File.WriteAllLinesAsync(folder.Path, lines[..left], Cancel);
            Verify().Problems.ShouldContain(problem => problem.Contains("end was cut off"), $"{left} of {lines.Length} lines were left");
        }
    }

    [Fact]
    public async Task A_cut_while_the_broker_was_away_stays_visible_after_it_went_on()
    {
        await WriteAsync(30);
        await File.WriteAllLinesAsync(folder.Path, AuditFolder.Lines(folder.Path)[..20], Cancel);

        await WriteAsync(5);

        folder.Events.ShouldContain(5004);
        Verify().Problems.ShouldContain(problem => problem.Contains("missing"));
    }

    [Fact]
    public async Task An_attacker_who_rewrites_the_whole_chain_lacks_the_key()
    {
        await WriteAsync(30);
        using var foreign = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        await File.WriteAllTextAsync(KeyFile, foreign.ExportECPrivateKeyPem(), Cancel);
        File.Delete(folder.Path);
        File.Delete(folder.Path + ".head");
        await WriteAsync(30);

        var problems = Verify().Problems;
        problems.ShouldContain(problem => problem.Contains("the checkpoint is not signed with this key"));
        problems.ShouldContain(problem => problem.Contains(".head: it is not signed with this key"));
    }

    [Fact]
    public async Task Records_without_checkpoints_are_no_audit()
    {
        await WriteAsync(1500, signed: false);

        Verify().Problems.ShouldContain(problem => problem.Contains("not signed"));
        Verify(withKey: false).Notes.ShouldContain(note => note.Contains("not signed"));
    }

    [Fact]
    public async Task Checkpoints_come_within_a_second_of_the_last_record_and_every_thousand()
    {
        await using var audit = Open();
        await Task.WhenAll(Enumerable.Range(0, 2500).Select(number => audit.WriteAsync(AuditFolder.Record($"{number}"), Cancel).AsTask()));
        Checkpoints().ShouldBeGreaterThanOrEqualTo(2);
        var before = Checkpoints();

        time.Advance(TimeSpan.FromSeconds(1));
        await Eventually.HoldsAsync(() => Task.FromResult(Checkpoints() == before + 1), "a pause brings a checkpoint", Cancel);
        time.Advance(TimeSpan.FromMinutes(1));
        Checkpoints().ShouldBe(before + 1, "nothing came that wants another");

        int Checkpoints() => AuditFolder.Lines(folder.Path).Count(line => line.Contains("\"event\":\"checkpoint\""));
    }

    [Fact]
    public async Task A_line_cut_by_a_broker_that_died_is_told_but_is_no_tampering()
    {
        await WriteAsync(10);
        await File.AppendAllTextAsync(folder.Path, "{\"time\":\"2026-", Cancel);
        await WriteAsync(10);

        var verified = Verify();
        verified.Problems.ShouldBeEmpty();
        verified.Notes.ShouldContain(note => note.Contains("half a line"));
    }

    [Theory]
    [InlineData("""{"chain":null,"seq":99,"hash":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}""")]
    [InlineData("""{"chain":"AAAAAAAAAAAA","seq":99,"hash":"*******************************************"}""")]
    public async Task L15_A_last_line_that_is_none_of_a_chain_keeps_no_broker_from_going_on_and_is_found(string line)
    {
        await WriteAsync(10);
        await File.AppendAllTextAsync(folder.Path, line + "\n", Cancel);
        File.Delete(folder.Path + ".head");
        await WriteAsync(10);

        AuditFolder.Records(folder.Path).Length.ShouldBe(21);
        Verify().Problems.ShouldNotBeEmpty();
    }

    [Theory]
    [InlineData("5")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("""{"time":5}""")]
    [InlineData("""{"time":"\ud800"}""")]
    [InlineData("""{"\ud800":5}""")]
    public async Task L15_A_first_line_that_is_none_keeps_no_broker_from_recording_and_is_found(string line)
    {
        await File.WriteAllTextAsync(folder.Path, line + "\n", Cancel);
        await WriteAsync(10);

        AuditFolder.Records(folder.Path).Length.ShouldBe(11);
        Verify().Problems.ShouldContain("audit.jsonl:1: is not a record of the chain.");
    }

    [Fact]
    public async Task L15_A_checkpoint_that_cannot_be_read_is_a_doubt_and_begins_no_other_chain()
    {
        await WriteAsync(30);
        var kept = folder.Path + ".head";
        await File.WriteAllLinesAsync(folder.Path, AuditFolder.Lines(folder.Path)[..20], Cancel);
        File.Delete(kept);
        Directory.CreateDirectory(kept);
        await WriteAsync(5);
        Directory.Delete(kept);
        await WriteAsync(5);

        folder.Events.ShouldContain(5010);
        var verified = Verify();
        verified.Problems.ShouldContain(static problem => problem.Contains("the checkpoint beside the file cannot be read"));
        verified.Notes.ShouldNotContain(static note => note.Contains("another chain"));
    }

    [Fact]
    public async Task What_a_full_disk_did_not_take_is_told_by_the_chain_itself()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Writes to /dev/full.");
        var aside = folder.Path + ".aside";
        await using (var audit = Open())
        {
            await audit.WriteAsync(AuditFolder.Record("before"), Cancel);
            File.Move(folder.Path, aside);
            File.CreateSymbolicLink(folder.Path, "/dev/full");
            time.Advance(TimeSpan.FromSeconds(2));
            for (var turn = 0; turn < 3; turn++)
                await Should.ThrowAsync<AuditUnavailableException>(audit.WriteAsync(AuditFolder.Record("refused"), Cancel).AsTask());
            File.Delete(folder.Path);
            File.Move(aside, folder.Path);
            await audit.WriteAsync(AuditFolder.Record("after"), Cancel);
        }

        AuditFolder.Holders(folder.Path).ShouldBe(["before", "after"]);
        var verified = Verify();
        verified.Problems.ShouldBeEmpty();
        verified.Notes.ShouldContain(note => note.Contains("this sink did not accept"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Whoever_does_not_sign_is_told_so_at_its_start(bool signs)
    {
        await using var audit = Open(signs);
        folder.IsSaidToBeUnsigned.ShouldBe(!signs);
    }

    private JsonLinesAudit Open(bool signed = true, int keep = 90) => new(
        new AuditSettings
        {
            Path = folder.Path,
            SigningKeyFile = signed ? KeyFile : null,
            Rotation = new() { MaxAge = TimeSpan.FromHours(1), Keep = keep },
        },
        time,
        folder);

    private async Task WriteAsync(int records, int? rotateEvery = null, int keep = 90, bool signed = true)
    {
        await using var audit = Open(signed, keep);
        for (var number = 0; number < records; number++)
        {
            if (rotateEvery is { } every && number > 0 && number % every == 0) time.Advance(TimeSpan.FromHours(1));
            await audit.WriteAsync(AuditFolder.Record($"{number}"), Cancel);
        }
    }

    private string[] AuditFiles() => [.. Directory.GetFiles(folder.Root, "audit.jsonl*").Where(file => !file.EndsWith(".head"))];

    private AuditVerification Verify(bool withKey = true) => ChainVerifier.Verify(AuditFiles(), withKey ? publicKey : null);
}
