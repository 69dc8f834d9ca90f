using Broker.Core.Audit;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Audit;

public sealed class AuditRotationTests : IDisposable
{
    private readonly AuditFolder folder = new();
    private readonly FakeTimeProvider time = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string Rotated => folder.Path + ".1";

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_renamed_file_is_left_for_a_new_one(bool createdByTheRotator)
    {
        await using var audit = folder.Open(time);
        await Write(audit, "old");

        File.Move(folder.Path, Rotated);
        if (createdByTheRotator) await File.WriteAllTextAsync(folder.Path, "", Cancel);
        await Write(audit, "within the second");
        time.Advance(TimeSpan.FromSeconds(1));
        await Write(audit, "new");

        AuditFolder.Holders(Rotated).ShouldBe(["old", "within the second"]);
        AuditFolder.Holders(folder.Path).ShouldBe(["new"]);
        folder.Events.ShouldBe([5002]);
    }

    [Fact]
    public async Task A_file_of_the_same_length_in_its_place_is_another_file()
    {
        await using var audit = folder.Open(time);
        await Write(audit, "old");
        var copy = await File.ReadAllBytesAsync(folder.Path, Cancel);
        File.Move(folder.Path, Rotated);
        await File.WriteAllBytesAsync(folder.Path, copy, Cancel);
        File.SetLastWriteTimeUtc(folder.Path, File.GetLastWriteTimeUtc(Rotated).AddSeconds(1));

        time.Advance(TimeSpan.FromSeconds(1));
        await Write(audit, "new");

        AuditFolder.Holders(Rotated).ShouldBe(["old"]);
        AuditFolder.Holders(folder.Path).ShouldBe(["old", "new"]);
    }

    [Fact]
    public async Task A_removed_file_is_made_again()
    {
        await using var audit = folder.Open(time);
        await Write(audit, "old");

        File.Delete(folder.Path);
        time.Advance(TimeSpan.FromSeconds(1));
        await Write(audit, "new");

        AuditFolder.Holders(folder.Path).ShouldBe(["new"]);
    }

    [Fact]
    public async Task A_file_that_was_copied_and_cut_goes_on_from_its_start()
    {
        await using var audit = folder.Open(time);
        await Write(audit, "old");

        File.Copy(folder.Path, Rotated);
        await using (var cut = new FileStream(folder.Path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite)) cut.SetLength(0);
        await Write(audit, "new");

        AuditFolder.Holders(folder.Path).ShouldBe(["new"]);
    }

    [Fact]
    public async Task A_file_that_stays_is_not_opened_again()
    {
        await using var audit = folder.Open(time);
        for (var second = 0; second < 5; second++)
        {
            await Write(audit, $"{second}");
            time.Advance(TimeSpan.FromSeconds(1));
        }

        AuditFolder.Holders(folder.Path).ShouldBe(["0", "1", "2", "3", "4"]);
        folder.Events.ShouldBeEmpty();
    }

    private static ValueTask<bool> Write(JsonLinesAudit audit, string holder) => audit.WriteAsync(AuditFolder.Record(holder), Cancel);
}
