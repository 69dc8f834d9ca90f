using System.Buffers.Binary;
using System.Text;
using Broker.Core.Ledger.OnDisk;
using Microsoft.Data.Sqlite;
using Shouldly;
using Xunit;

namespace Broker.Tests.Ledger;

/// <summary>A file that lost data, or mixes two moments, is refused with an explanation; it never reads as an older or another ledger.</summary>
public sealed class DamagedLedgerFileTests : IAsyncLifetime
{
    private const int PageSize = 4096;
    private const int HeaderSize = 512; // the journal's, a sector long

    private readonly string directory = Directory.CreateTempSubdirectory("broker-damage-").FullName;
    private byte[] before = [];
    private byte[] after = [];

    private string Ledger => Path.Combine(directory, "ledger.db");

    // A ledger with a holder, and the same after the last transaction: a change of one cell.
    public async ValueTask InitializeAsync()
    {
        await using (var store = LedgerFiles.Open(Ledger)) await LedgerFiles.GrantAsync(store);
        before = await File.ReadAllBytesAsync(Ledger);
        await using (var store = LedgerFiles.Open(Ledger))
        {
            store.Tamper("HSET", "broker:{orders}:budget", "last", "change");
            await LedgerFiles.GrantAsync(store);
        }

        after = await File.ReadAllBytesAsync(Ledger);
        after.Length.ShouldBe(before.Length);
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(directory, recursive: true);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public void A_file_cut_at_any_byte_of_its_last_page_and_at_the_ends_of_all_others_is_refused()
    {
        var pages = Enumerable.Range(0, after.Length / PageSize).SelectMany(static page => new[] { page * PageSize, (page * PageSize) + 1, (page * PageSize) + 100 });
        foreach (var length in pages.Concat(Enumerable.Range(after.Length - PageSize, PageSize)))
            Read(after.AsSpan(0, length), []).ShouldBeNull($"{length} of {after.Length} bytes are left");
    }

    [Fact]
    public void A_file_with_a_changed_byte_is_refused_or_the_change_means_nothing()
    {
        var random = new Random(20);
        var whole = Read(after, []).ShouldNotBeNull();
        var refused = 0;
        for (var i = 0; i < 500; i++)
        {
            var changed = after.ToArray();
            changed[random.Next(i < 200 ? 100 : changed.Length)] ^= (byte)(1 + random.Next(255));
            if (Read(changed, []) is { } found) found.ShouldBe(whole);
            else refused++;
        }

        refused.ShouldBePositive();
    }

    [Fact]
    public void Of_a_write_that_was_killed_anywhere_nothing_or_all_is_there()
    {
        var (was, now) = (Read(before, []).ShouldNotBeNull(), Read(after, []).ShouldNotBeNull());
        was.ShouldNotBe(now);
        var journal = JournalOf(before, after, complete: true);

        // The journal is being written, and the file is as it was.
        for (var length = 0; length <= journal.Length; length += length < HeaderSize ? 3 : 13) Read(before, JournalOf(before, after, complete: false).AsSpan(0, length)).ShouldBe(was, $"{length} bytes of the journal");

        // The journal is on the disk, and the file is being written: page after page, from any of them on.
        for (var written = 0; written < after.Length; written += 509) Read((byte[])[.. after[..written], .. before[written..]], journal).ShouldBe(was, $"{written} bytes of the file");
        Read(after, []).ShouldBe(now, "the journal is gone: it is done");
    }

    [Fact]
    public void Of_a_write_that_was_killed_and_whose_journal_is_cut_besides_nothing_is_mixed()
    {
        var (was, now) = (Read(before, []).ShouldNotBeNull(), Read(after, []).ShouldNotBeNull());
        var journal = JournalOf(before, after, complete: true);
        var middle = Changed(before, after)[0] * PageSize;
        byte[] half = [.. after[..(middle + PageSize)], .. before[(middle + PageSize)..]];
        for (var length = 0; length < journal.Length; length += 101)
        {
            if (Read(half, journal.AsSpan(0, length)) is { } found) found.ShouldBe(was, $"{length} bytes of the journal are left");
            if (Read(after, journal.AsSpan(0, length)) is { } other) other.ShouldBeOneOf(was, now);
        }
    }

    [Fact]
    public void What_is_no_ledger_of_the_broker_or_of_a_newer_one_is_refused_in_words()
    {
        Refused([]).ShouldContain("it is empty");
        Refused(Encoding.UTF8.GetBytes(new string('x', 10_000))).ShouldContain("damaged");
        Refused(Edited("PRAGMA application_id = 1")).ShouldContain("it is not a ledger of the broker");
        Refused(Edited("PRAGMA user_version = 2")).ShouldContain("run the newer broker");
        Refused(Edited("DELETE FROM cells WHERE name = CAST('last' AS BLOB)")).ShouldContain("was not written together");
        Refused(Edited("UPDATE cells SET value = CAST('other' AS BLOB) WHERE name = CAST('last' AS BLOB)")).ShouldContain("was not written together");
        Refused(Edited("DROP TABLE cells")).ShouldContain("damaged");

        File.Delete(Ledger);
        File.WriteAllBytes(Ledger + "-journal", JournalOf(before, after, complete: true));
        Should.Throw<LedgerFileException>(() => LedgerFile.Create(Ledger)).Message.ShouldContain("its '-journal' is still there");
    }

    private byte[] Edited(string statement)
    {
        var file = Path.Combine(directory, "edited.db");
        File.WriteAllBytes(file, after);
        using (var connection = new SqliteConnection($"Data Source={file};Pooling=False"))
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = statement;
            command.ExecuteNonQuery();
        }

        return File.ReadAllBytes(file);
    }

    private string Refused(byte[] content)
    {
        Write(content, []);
        return Should.Throw<LedgerFileException>(() => LedgerFile.Open(Ledger, Keyspace())).Message;
    }

    // All of the ledger as a number; null: it was refused.
    private UInt128? Read(ReadOnlySpan<byte> file, ReadOnlySpan<byte> journal)
    {
        Write(file, journal);
        var keys = Keyspace();
        try
        {
            LedgerFile.Open(Ledger, keys, durable: false).Dispose();
            return keys.Sum;
        }
        catch (LedgerFileException e) when (e.Fault != FileFault.InUse)
        {
            return null;
        }
    }

    private void Write(ReadOnlySpan<byte> file, ReadOnlySpan<byte> journal)
    {
        File.WriteAllBytes(Ledger, file);
        File.Delete(Ledger + "-journal");
        if (journal.Length > 0) File.WriteAllBytes(Ledger + "-journal", journal);
    }

    private static RecordedKeyspace Keyspace() => new(TimeProvider.System, static (_, _) => { });

    private static int[] Changed(byte[] before, byte[] after) =>
        [.. Enumerable.Range(0, before.Length / PageSize).Where(page => !before.AsSpan(page * PageSize, PageSize).SequenceEqual(after.AsSpan(page * PageSize, PageSize)))];

    // SQLite's rollback journal (https://www.sqlite.org/fileformat2.html#the_rollback_journal): the pages as they were before, each with
    // its number and a checksum. complete: how many they are stands in it, which is written when all of them are on the disk.
    private static byte[] JournalOf(byte[] before, byte[] after, bool complete)
    {
        const uint nonce = 4711;
        var pages = Changed(before, after);
        var journal = new byte[HeaderSize + (pages.Length * (PageSize + 8))];
        ((ReadOnlySpan<byte>)[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]).CopyTo(journal);
        uint[] header = [complete ? (uint)pages.Length : 0, nonce, (uint)(before.Length / PageSize), HeaderSize, PageSize];
        for (var i = 0; i < header.Length; i++) BinaryPrimitives.WriteUInt32BigEndian(journal.AsSpan(8 + (4 * i)), header[i]);
        for (var i = 0; i < pages.Length; i++)
        {
            var record = journal.AsSpan(HeaderSize + (i * (PageSize + 8)));
            var page = before.AsSpan(pages[i] * PageSize, PageSize);
            var checksum = nonce;
            for (var at = PageSize - 200; at > 0; at -= 200) checksum += page[at];
            BinaryPrimitives.WriteUInt32BigEndian(record, (uint)pages[i] + 1);
            page.CopyTo(record[4..]);
            BinaryPrimitives.WriteUInt32BigEndian(record[(4 + PageSize)..], checksum);
        }

        return journal;
    }
}
