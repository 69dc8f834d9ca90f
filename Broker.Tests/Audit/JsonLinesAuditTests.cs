using System.Text;
using System.Text.Json;
using Broker.Core.Audit;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Audit;

public sealed class JsonLinesAuditTests : IDisposable
{
    private readonly AuditFolder folder = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task L7_A_thousand_writers_each_go_on_only_when_their_line_is_in_the_file(bool fsync)
    {
        var lengths = new Dictionary<string, long>();
        await using var audit = folder.Open(new FakeTimeProvider(), fsync: fsync);

        await Task.WhenAll(Enumerable.Range(0, 1000).Select(number => Task.Run(async () =>
        {
            for (var turn = 0; turn < 3; turn++)
            {
                await audit.WriteAsync(AuditFolder.Record($"{number}/{turn}"), Cancel);
                var length = new FileInfo(folder.Path).Length;
                lock (lengths) lengths.Add($"{number}/{turn}", length);
            }
        })));

        var ends = new Dictionary<string, long>();
        var end = 0L;
        foreach (var line in AuditFolder.Lines(folder.Path))
        {
            end += Encoding.UTF8.GetByteCount(line) + 1;
            if (!AuditFolder.IsOfChain(line)) ends.Add(JsonDocument.Parse(line).RootElement.GetProperty("holderId").GetString()!, end);
        }

        ends.Count.ShouldBe(3000);
        foreach (var (holder, length) in lengths) length.ShouldBeGreaterThanOrEqualTo(ends[holder], $"{holder} went on before its line was there");
        for (var number = 0; number < 1000; number++) ends[$"{number}/0"].ShouldBeLessThan(ends[$"{number}/2"]);
    }

    [Fact]
    public async Task Lines_stand_in_the_order_they_came_behind_what_was_there_before()
    {
        for (var run = 0; run < 2; run++)
        {
            await using var audit = folder.Open();
            for (var number = 0; number < 50; number++) await audit.WriteAsync(AuditFolder.Record($"{run}-{number}"), Cancel);
        }

        AuditFolder.Holders(folder.Path).ShouldBe(Enumerable.Range(0, 2).SelectMany(run => Enumerable.Range(0, 50).Select(number => $"{run}-{number}")));
    }

    [Fact]
    public async Task Only_the_owner_may_read_the_file()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no file modes.");
        await using var audit = folder.Open();
        await audit.WriteAsync(AuditFolder.Record("H1"), Cancel);

        if (!OperatingSystem.IsWindows()) File.GetUnixFileMode(folder.Path).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    [Fact]
    public async Task The_file_is_locked_against_a_second_process()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Reads /proc/locks.");
        await using var audit = folder.Open();
        await audit.WriteAsync(AuditFolder.Record("H1"), Cancel);

        // Locks of one process do not exclude each other, so the lock itself is looked for: type, mode, process, file, range.
        var place = (long.MaxValue / 2).ToString(System.Globalization.CultureInfo.InvariantCulture);
        var inode = (await TestProgram.RunAsync("stat", ["--format", "%i", folder.Path], "coreutils")).Trim();
        (await File.ReadAllLinesAsync("/proc/locks", Cancel)).ShouldContain(line =>
            line.Contains("POSIX") && line.Contains("WRITE") && line.Contains($" {Environment.ProcessId} ") && line.EndsWith($":{inode} {place} {place}"));
    }

    [Fact]
    public async Task L7_A_caller_that_left_is_still_recorded()
    {
        using var pipe = new StuckPipe(folder);
        await using (var audit = folder.Open(path: pipe.Path))
        {
            var write = audit.WriteAsync(AuditFolder.Record("H1"), new CancellationToken(canceled: true)).AsTask();
            await Should.ThrowAsync<OperationCanceledException>(write);
            pipe.LetGo();
        }

        AuditFolder.Holders(pipe.Records()).ShouldBe(["H1"]);
    }

    [Fact]
    public async Task What_comes_while_one_write_is_under_way_is_bounded_and_written_next_in_order()
    {
        using var pipe = new StuckPipe(folder);
        await using var audit = folder.Open(path: pipe.Path, limits: new AuditLimits { Queue = 3 });

        var first = audit.WriteAsync(AuditFolder.Record("first"), Cancel).AsTask();
        var waiting = "abc".Select(holder => audit.WriteAsync(AuditFolder.Record($"{holder}"), Cancel).AsTask()).ToArray();
        var oneTooMany = audit.WriteAsync(AuditFolder.Record("d"), Cancel).AsTask();

        oneTooMany.IsCompleted.ShouldBeTrue("a full queue refuses at once");
        (await Should.ThrowAsync<AuditUnavailableException>(oneTooMany)).Message.ShouldContain("3 records are already waiting");
        first.IsCompleted.ShouldBeFalse();
        waiting.ShouldAllBe(write => !write.IsCompleted);

        pipe.LetGo();
        await Task.WhenAll([first, .. waiting]).WaitAsync(TimeSpan.FromMinutes(5), Cancel);
        AuditFolder.Holders(pipe.Records()).ShouldBe(["first", "a", "b", "c"]);
    }

    [Fact]
    public async Task L10_A_write_that_hangs_refuses_all_who_wait_and_all_who_come_until_it_returns()
    {
        var time = new FakeTimeProvider();
        using var pipe = new StuckPipe(folder);
        await using var audit = folder.Open(time, pipe.Path);

        var under = audit.WriteAsync(AuditFolder.Record("under way"), Cancel).AsTask();
        var behind = audit.WriteAsync(AuditFolder.Record("behind"), Cancel).AsTask();
        await Until(() =>
        {
            time.Advance(TimeSpan.FromSeconds(1));
            return under.IsCompleted && behind.IsCompleted;
        });

        (await Should.ThrowAsync<AuditUnavailableException>(under)).Message.ShouldContain("more than 5 s");
        await Should.ThrowAsync<AuditUnavailableException>(behind);
        var late = audit.WriteAsync(AuditFolder.Record("late"), Cancel).AsTask();
        late.IsCompleted.ShouldBeTrue("nobody waits behind a write that hangs");
        await Should.ThrowAsync<AuditUnavailableException>(late);
        folder.Events.ShouldBe([5000]);

        pipe.LetGo();
        await WriteUntilTaken(audit, "healed");
        folder.Events.ShouldBe([5000, 5001]);
    }

    [Fact]
    public async Task A_full_disk_refuses_and_heals_by_itself()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Writes to /dev/full.");
        File.CreateSymbolicLink(folder.Path, "/dev/full");
        await using var audit = folder.Open();

        for (var turn = 0; turn < 3; turn++)
            await Should.ThrowAsync<AuditUnavailableException>(audit.WriteAsync(AuditFolder.Record("lost"), Cancel).AsTask());
        folder.Events.ShouldBe([5000], "the log hears of it once");

        File.Delete(folder.Path);
        await audit.WriteAsync(AuditFolder.Record("H1"), Cancel);
        AuditFolder.Holders(folder.Path).ShouldBe(["H1"]);
        folder.Events.ShouldBe([5000, 5001]);
    }

    [Fact]
    public async Task A_line_cut_by_a_disk_that_fills_does_not_swallow_the_next()
    {
        var disk = Directory.CreateDirectory(Path.Combine(folder.Root, "disk")).FullName;
        Assert.SkipUnless(OperatingSystem.IsLinux() && AuditFolder.TryRun("mount", "-t", "tmpfs", "-o", "size=16k", "none", disk),
            "A tiny disk cannot be mounted here; that needs root.");
        try
        {
            var path = Path.Combine(disk, "audit.jsonl");
            var filler = Path.Combine(disk, "filler");
            await File.WriteAllBytesAsync(filler, new byte[3 * 4096], Cancel);
            await using (var audit = folder.Open(path: path))
            {
                var written = 0;
                var full = await Should.ThrowAsync<AuditUnavailableException>(async () =>
                {
                    for (; written < 100; written++) await audit.WriteAsync(AuditFolder.Record($"{written}") with { Detail = new string('x', 600) }, Cancel);
                });
                full.Message.ShouldContain("The audit cannot be written");
                AuditFolder.Lines(path).ShouldAllBe(line => line.EndsWith("\"}", StringComparison.Ordinal), "what the disk took of the last line was taken back");

                File.Delete(filler);
                await audit.WriteAsync(AuditFolder.Record("next"), Cancel);
                var lines = AuditFolder.Lines(path);
                lines.Count(line => !AuditFolder.IsOfChain(line)).ShouldBe(written + 1);
                lines[^2].ShouldContain("resumed");
                lines[^1].ShouldContain("\"next\"");
            }
        }
        finally
        {
            AuditFolder.Run("umount", "--lazy", disk);
        }
    }

    [Fact]
    public async Task A_line_cut_by_a_process_that_died_does_not_swallow_the_next()
    {
        await File.WriteAllTextAsync(folder.Path, "{\"time\":\"2026-", Cancel);
        await using var audit = folder.Open();
        await audit.WriteAsync(AuditFolder.Record("H1"), Cancel);

        var lines = AuditFolder.Lines(folder.Path);
        lines.Length.ShouldBe(3);
        lines[0].ShouldBe("{\"time\":\"2026-");
        lines[1].ShouldContain("\"torn\":true");
        lines[2].ShouldContain("H1");
    }

    [Fact]
    public async Task A_directory_that_comes_later_is_found()
    {
        var path = Path.Combine(folder.Root, "mounted-later", "audit.jsonl");
        await using var audit = folder.Open(path: path);
        var refused = await Should.ThrowAsync<AuditUnavailableException>(audit.WriteAsync(AuditFolder.Record("lost"), Cancel).AsTask());
        refused.InnerException.ShouldBeOfType<DirectoryNotFoundException>();

        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        await audit.WriteAsync(AuditFolder.Record("H1"), Cancel);
        AuditFolder.Holders(path).ShouldBe(["H1"]);
    }

    [Fact]
    public async Task After_stopping_nothing_is_taken_and_nothing_taken_is_missing()
    {
        var audit = folder.Open();
        var writes = Enumerable.Range(0, 500).Select(number => audit.WriteAsync(AuditFolder.Record($"{number}"), Cancel).AsTask()).ToArray();
        await audit.DisposeAsync();

        await Task.WhenAll(writes);
        AuditFolder.Holders(folder.Path).Length.ShouldBe(500);
        await Should.ThrowAsync<AuditUnavailableException>(audit.WriteAsync(AuditFolder.Record("late"), Cancel).AsTask());
        await audit.DisposeAsync();
    }

    [Fact]
    public async Task Stopping_does_not_wait_for_ever_for_a_write_that_hangs()
    {
        var time = new FakeTimeProvider();
        using var pipe = new StuckPipe(folder);
        var audit = folder.Open(time, pipe.Path);
        var write = audit.WriteAsync(AuditFolder.Record("H1"), Cancel).AsTask();

        var stop = audit.DisposeAsync().AsTask();
        await Until(() =>
        {
            time.Advance(TimeSpan.FromSeconds(1));
            return stop.IsCompleted && write.IsCompleted;
        });

        await stop;
        folder.Events.ShouldContain(5003);
        pipe.LetGo();
        await Should.ThrowAsync<AuditUnavailableException>(write);
    }

    [Fact]
    public void Settings_out_of_range_are_refused()
    {
        Should.Throw<ArgumentException>(() => folder.Open(path: " "));
        Should.Throw<ArgumentException>(() => folder.Open(limits: new AuditLimits { Queue = 0 }));
        Should.Throw<ArgumentException>(() => folder.Open(limits: new AuditLimits { Deadline = TimeSpan.Zero }));
    }

    private static Task WriteUntilTaken(JsonLinesAudit audit, string holder) => Eventually.HoldsAsync(
        async () =>
        {
            try
            {
                await audit.WriteAsync(AuditFolder.Record(holder), Cancel);
                return true;
            }
            catch (AuditUnavailableException)
            {
                return false;
            }
        },
        $"the audit takes the record of {holder}",
        Cancel);

    private static Task Until(Func<bool> condition) => Eventually.HoldsAsync(() => Task.FromResult(condition()), "what this test waits for", Cancel);
}
