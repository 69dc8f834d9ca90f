using System.Buffers.Binary;
using System.Text;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Broker.Core.Ledger.OnDisk;

/// <summary>
/// The ledger's cells in an SQLite database. It uses a rollback journal and not a write-ahead log: a log that lost its end looks
/// like an older ledger, whereas here everything that was answered is in the file itself, which records its length and the sum over its cells.
/// Anything missing, mixed or altered is detected when the file is opened. Not thread-safe.
/// </summary>
internal sealed class LedgerFile : IDisposable
{
    private const int ApplicationId = 0x42524b52; // "BRKR"
    private const int Format = 1;

    // The answer for a file that another program has locked.
    private const int WouldBlock = 11;
    private const int WouldBlockOnMacOS = 35;
    private const int SharingViolation = unchecked((int)0x80070020);

    private const int LongestWait = 1; // seconds that another program may hold the file; no broker does

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly string path;
    private readonly FileStream theOnlyOne;
    private readonly SqliteConnection connection;
    private readonly SqliteCommand put;
    private readonly SqliteCommand drop;
    private readonly SqliteCommand sum;

    private LedgerFile(string path, FileStream theOnlyOne, SqliteConnection connection)
    {
        (this.path, this.theOnlyOne, this.connection) = (path, theOnlyOne, connection);
        put = Prepare("INSERT INTO cells (ranked, key, name, value) VALUES ($ranked, $key, $name, $value) ON CONFLICT DO UPDATE SET value = excluded.value", "$ranked", "$key", "$name", "$value");
        drop = Prepare("DELETE FROM cells WHERE ranked = $ranked AND key = $key AND name = $name", "$ranked", "$key", "$name");
        sum = Prepare("UPDATE about SET sum = $sum", "$sum");
    }

    /// <summary>Why no file can be made there; null: one can.</summary>
    public static LedgerFileException? WhyNotNew(string path)
    {
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } directory && !Directory.Exists(directory))
            return new(FileFault.Unusable, $"The ledger's file {path} cannot be created: its directory does not exist. Mount or create it.");
        return File.Exists(path + "-journal")
            ? Damaged(path, "it is gone, but its '-journal' is still there")
            : null;
    }

    /// <summary>Makes an empty file: whole, or not at all.</summary>
    public static void Create(string path)
    {
        if (WhyNotNew(path) is { } why) throw why;
        var beside = path + ".new";
        try
        {
            File.Delete(beside);
            File.Delete(beside + "-journal");
            using (var connection = Connect(beside, SqliteOpenMode.ReadWriteCreate))
            {
                Run(
                    connection,
                    "PRAGMA journal_mode = TRUNCATE", "PRAGMA synchronous = FULL", $"PRAGMA application_id = {ApplicationId}", $"PRAGMA user_version = {Format}",
                    "BEGIN",
                    "CREATE TABLE about (sum BLOB NOT NULL, opened INTEGER NOT NULL)",
                    "CREATE TABLE cells (ranked INTEGER NOT NULL, key BLOB NOT NULL, name BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (ranked, key, name)) WITHOUT ROWID",
                    "INSERT INTO about VALUES (zeroblob(16), 0)",
                    "COMMIT");
            }

            if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(beside, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            File.Move(beside, path, overwrite: false);
            File.Delete(beside + "-journal");
        }
        catch (Exception e) when (e is SqliteException or IOException or UnauthorizedAccessException)
        {
            throw new LedgerFileException(FileFault.Unusable, $"The ledger's file {path} cannot be created: {e.Message.TrimEnd('.')}. The broker's user must be able to write in its directory.", e);
        }
    }

    /// <summary>Opens a file, keeps everybody else out, and reads all of it into a keyspace.</summary>
    /// <param name="path">The file.</param>
    /// <param name="into">Gets its content; unusable when this throws.</param>
    /// <param name="durable">Whether <see cref="Write"/> waits for the disk.</param>
    /// <exception cref="LedgerFileException">It is in use or damaged, or cannot be opened.</exception>
    public static LedgerFile Open(string path, RecordedKeyspace into, bool durable = true)
    {
        FileStream? theOnlyOne = null;
        SqliteConnection? connection = null;
        try
        {
            theOnlyOne = new(path + "-lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            if (new FileInfo(path).Length == 0) throw Damaged(path, "it is empty");
            connection = Connect(path, SqliteOpenMode.ReadWrite);
            Run(connection, "PRAGMA locking_mode = EXCLUSIVE", "PRAGMA trusted_schema = OFF", "PRAGMA cell_size_check = ON", $"PRAGMA synchronous = {(durable ? "FULL" : "OFF")}");
            if (Number(connection, "PRAGMA application_id") != ApplicationId) throw Damaged(path, "it is not a ledger of the broker");
            if (Number(connection, "PRAGMA user_version") is var format and not Format)
                throw new LedgerFileException(FileFault.Unusable, $"The ledger's file {path} has format {format}, but this broker knows format {Format}: run the newer broker.");

            // Takes the lock, finishes or undoes the work of a killed broker, and shows whether the file can be written.
            Run(connection, "PRAGMA journal_mode = TRUNCATE", "BEGIN IMMEDIATE", "UPDATE about SET opened = opened + 1", "COMMIT");
            if (Text(connection, "PRAGMA quick_check(1)") is var found and not "ok") throw Damaged(path, found);
            into.Load(Cells(connection));
            if (into.Sum != SumOf(connection)) throw Damaged(path, "its content was not written together");
            return new LedgerFile(path, theOnlyOne, connection);
        }
        catch (Exception e)
        {
            connection?.Dispose();
            theOnlyOne?.Dispose();
            throw Told(path, e);
        }
    }

    /// <summary>Writes changes, all or none, and returns when they are on the disk.</summary>
    /// <exception cref="LedgerFileException">It is unknown whether they were written. The file has to be closed.</exception>
    public void Write(IReadOnlyDictionary<Cell, string?> changes, UInt128 after)
    {
        try
        {
            // A file that was deleted under the broker still accepts writes, and they would be lost.
            if (!File.Exists(path)) throw Damaged(path, "it was removed while the broker worked on it");
            Run(connection, "BEGIN IMMEDIATE");
            foreach (var (cell, value) in changes)
            {
                var command = value is null ? drop : put;
                command.Parameters[0].Value = cell.Ranked ? 1 : 0;
                command.Parameters[1].Value = Strict.GetBytes(cell.Key);
                command.Parameters[2].Value = Strict.GetBytes(cell.Name);
                if (value is not null) command.Parameters[3].Value = Strict.GetBytes(value);
                command.ExecuteNonQuery();
            }

            var bytes = new byte[16];
            BinaryPrimitives.WriteUInt128LittleEndian(bytes, after);
            sum.Parameters[0].Value = bytes;
            sum.ExecuteNonQuery();
            Run(connection, "COMMIT");
        }
        catch (Exception e)
        {
            throw Told(path, e);
        }
    }

    public void Dispose()
    {
        put.Dispose();
        drop.Dispose();
        sum.Dispose();
        connection.Dispose();
        theOnlyOne.Dispose();
    }

    // The meaning of a failure. Any other exception of the library means that the file is not as it was written.
    private static LedgerFileException Told(string path, Exception e) => e switch
    {
        LedgerFileException told => told,
        SqliteException { SqliteErrorCode: raw.SQLITE_BUSY or raw.SQLITE_LOCKED } => InUse(path, e),
        IOException { HResult: WouldBlock or WouldBlockOnMacOS or SharingViolation } => InUse(path, e),
        SqliteException { SqliteErrorCode: raw.SQLITE_FULL or raw.SQLITE_IOERR or raw.SQLITE_READONLY or raw.SQLITE_CANTOPEN or raw.SQLITE_PERM or raw.SQLITE_NOMEM }
            or IOException or UnauthorizedAccessException =>
            new(FileFault.Unusable, $"The ledger's file {path} cannot be read and written: {e.Message.TrimEnd('.')}. The broker's user must be able to write the file and its directory, and its disk needs room.", e),
        _ => Damaged(path, e.Message.TrimEnd('.'), e),
    };

    private static LedgerFileException InUse(string path, Exception e) =>
        new(FileFault.InUse, $"The ledger's file {path} is in use by another broker, and only one broker can use it at a time. End the other one, or use Ledger:Kind Redis for several.", e);

    private static LedgerFileException Damaged(string path, string what, Exception? e = null) =>
        new(FileFault.Damaged, $"The ledger's file {path} is damaged ({what}), and nothing is granted on it. Restore a copy, or move it away with its '-journal' to begin a new one (docs/file-ledger.md).", e);

    private static SqliteConnection Connect(string path, SqliteOpenMode mode)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = path,
            Mode = mode,
            Pooling = false,
            DefaultTimeout = LongestWait,
        }.ToString());
        connection.Open();
        return connection;
    }

    private static IEnumerable<(Cell, string)> Cells(SqliteConnection connection)
    {
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT ranked, key, name, value FROM cells";
        using var reader = command.ExecuteReader();
        while (reader.Read())
            yield return (new(reader.GetInt64(0) == 1, Strict.GetString((byte[])reader[1]), Strict.GetString((byte[])reader[2])), Strict.GetString((byte[])reader[3]));
    }

    private static UInt128 SumOf(SqliteConnection connection)
    {
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT sum FROM about";
        return BinaryPrimitives.ReadUInt128LittleEndian((byte[])command.ExecuteScalar()!);
    }

    private static long Number(SqliteConnection connection, string query) => long.Parse(Text(connection, query), System.Globalization.CultureInfo.InvariantCulture);

    private static string Text(SqliteConnection connection, string query)
    {
        using var command = connection.CreateCommand();
        command.CommandText = query;
        return Convert.ToString(command.ExecuteScalar(), System.Globalization.CultureInfo.InvariantCulture) ?? "";
    }

    // One statement at a time: of several in one text, the library runs those behind one that answers with a row when it closes the
    // reader, and throws nothing when they fail.
    private static void Run(SqliteConnection connection, params ReadOnlySpan<string> statements)
    {
        using var command = connection.CreateCommand();
        foreach (var statement in statements)
        {
            command.CommandText = statement;
            command.ExecuteNonQuery();
        }
    }

    private SqliteCommand Prepare(string text, params string[] parameters)
    {
        var command = connection.CreateCommand();
        command.CommandText = text;
        foreach (var parameter in parameters) command.Parameters.Add(new SqliteParameter { ParameterName = parameter });
        return command;
    }
}
