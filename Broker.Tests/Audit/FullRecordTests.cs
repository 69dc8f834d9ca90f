using Broker.Core.Audit;
using Broker.Core.Audit.Chain;
using Broker.Core.Audit.Unproven;
using Broker.Core.Catalog;
using Broker.Core.Model;
using Broker.Tests.Deployment;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Audit;

/// <summary>How long the record lasts before somebody who fills it with the longest lines there are: as long as the documents say (law L15).</summary>
public sealed class FullRecordTests
{
    // Letters that take more bytes in a line than they look like: escaped ones, wide ones, pairs, and halves of pairs.
    public static TheoryData<string> Letters => new("x", "\u0001", "\"", "\u2028", "注", "🐘", "\ud83d");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Letters))]
    public async Task L15_No_line_is_longer_than_the_longest(string letter)
    {
        var text = string.Concat(Enumerable.Repeat(letter, 5000));
        (await LengthAsync(Full(text))).ShouldBeLessThanOrEqualTo(AuditLine.Longest);
        foreach (var length in new[] { 40, 42, 43, 85, 170, 171, 341, 512, 1023, 1024, 1025 })
            (await LengthAsync(Full(string.Concat(Enumerable.Repeat(letter, length))))).ShouldBeLessThanOrEqualTo(AuditLine.Longest, $"{length} letters");
    }

    [Fact]
    public async Task L15_One_caller_needs_more_than_four_days_to_push_the_record_out()
    {
        // Each refusal may have been ordered before; looks and sums besides.
        var longest = await LengthAsync(Full(string.Concat(Enumerable.Repeat("\u0001", 5000))));
        var aMinute = (long)longest * ((2 * CallerRefusals.MostPerCaller) + CallerRefusals.MostLooks + 2);
        var rotation = new AuditRotation();
        var room = rotation.MaxMegabytes * 1024L * 1024L * rotation.Keep;

        TimeSpan.FromMinutes((double)room / aMinute).ShouldBeGreaterThan(TimeSpan.FromDays(4));
        Document("security.md").ShouldContain("it takes one caller more than four days to fill the record");
    }

    [Fact]
    public async Task L15_Who_proves_nobody_needs_more_than_a_week_to_push_its_own_record_out()
    {
        var (time, kept) = (new FakeTimeProvider(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero)), new KeptAudit());
        await using var refusals = new UnprovenRefusals(kept, time, NullLogger<UnprovenRefusals>.Instance);
        var text = string.Concat(Enumerable.Repeat("\u0001", 5000));
        for (var address = 0; address < 500; address++)
        {
            // What is the network's and the broker's own is as long as it ever is.
            var record = Full(text) with
            {
                Outcome = AuditOutcome.Refused,
                CallerIssuer = null,
                CallerSubject = null,
                CallerPodUid = null,
                CallerSession = null,
                CallerProof = new('p', 43),
                Database = null,
                LeaseId = null,
                HolderId = null,
                DatabaseUser = null,
                HeldUntil = null,
                Connections = null,
                Times = null,
                Reason = null,
                TraceId = new('t', 32),
                ClientAddress = new('a', 45),
            };
            for (var request = 0; request < 10; request++) await refusals.WriteAsync(record, $"{address:D45}", Cancel);
        }

        time.Advance(TimeSpan.FromMinutes(1));
        kept.Records.Count.ShouldBe(UnprovenRefusals.EachOfAll + UnprovenRefusals.SummedUp + 1);

        // With a checkpoint a second.
        var aMinute = 60L * 512;
        foreach (var record in kept.Records) aMinute += await LengthAsync(record);
        var apart = new AuditSettings { Path = "/a/audit.jsonl" }.ForUnproven()!.Rotation;
        var room = apart.MaxMegabytes * 1024L * 1024L * apart.Keep;
        TimeSpan.FromMinutes((double)room / aMinute).ShouldBeGreaterThan(TimeSpan.FromDays(7));
        Document("configuration.md").ShouldContain("the default holds more than a week of the worst case");
    }

    [Fact]
    public async Task L15_A_broker_finds_its_checkpoints_again_behind_the_longest_lines()
    {
        using var folder = new AuditFolder();
        var text = string.Concat(Enumerable.Repeat("\u0001", 5000));
        await using (var audit = folder.Open(new FakeTimeProvider()))
        {
            await Task.WhenAll(Enumerable.Range(0, (2 * ChainFormat.CheckpointEvery) + 500).Select(_ => audit.WriteAsync(Full(text), Cancel).AsTask()));
        }

        await using (var audit = folder.Open(new FakeTimeProvider())) await audit.WriteAsync(AuditFolder.Record("H1"), Cancel);

        folder.Events.ShouldBeEmpty("nothing is said to be missing or changed");
        AuditFolder.Lines(folder.Path).ShouldNotContain(static line => line.Contains("\"doubt\"", StringComparison.Ordinal));
    }

    private static AuditRecord Full(string text) => new()
    {
        Time = new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero),
        Action = AuditAction.Authenticate,
        Outcome = AuditOutcome.Granted,
        CallerIssuer = text,
        CallerSubject = text,
        CallerPodUid = text,
        CallerSession = text,
        CallerProof = text,
        Role = text,
        Database = text,
        LeaseId = text,
        HolderId = text,
        DatabaseUser = text,
        HeldUntil = new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero),
        Times = int.MaxValue,
        Connections = int.MaxValue,
        Refusal = RefusalCode.DatabaseUnavailable,
        Detail = text,
        Reason = text,
        TraceId = text,
        ClientAddress = text,
        HttpStatus = 503,
    };

    private static async Task<int> LengthAsync(AuditRecord record)
    {
        using var folder = new AuditFolder();
        await using (var audit = folder.Open(new FakeTimeProvider())) await audit.WriteAsync(record, Cancel);
        var line = AuditFolder.Records(folder.Path).ShouldHaveSingleItem();

        // The number of a record grows: as many letters as it ever has.
        return System.Text.Encoding.UTF8.GetByteCount(line) + 1 + 18;
    }

    private static string Document(string name) => Repository.Read($"docs/{name}");
}
