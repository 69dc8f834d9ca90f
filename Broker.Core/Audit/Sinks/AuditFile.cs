using Broker.Core.Catalog;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace Broker.Core.Audit.Sinks;

/// <summary>
/// The file that audit lines are appended to, or standard output. After a failure it reopens the file, so it recovers when
/// the cause goes away. Not thread-safe.
/// </summary>
internal sealed class AuditFile(string path, bool fsync, TimeProvider time, ILogger logger) : IAuditSink
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    private Stream? stream;
    private long lookedAt;
    private bool torn;

    /// <inheritdoc/>
    public string Name => path;

    /// <summary>Whether a line was left half written at the end of the file.</summary>
    public bool Torn => torn;

    /// <summary>The length of the open file; 0 for what has no length.</summary>
    public long Length => stream is { CanSeek: true } file ? file.Length : 0;

    /// <summary>The file's length when it was opened or last written to; 0: it is not open, or has no length. Nobody but us writes to it, though others may shorten it.</summary>
    public long Written { get; private set; }

    /// <inheritdoc/>
    public bool Begins()
    {
        EnsureOpen();
        return path != AuditSettings.StandardOutput && stream is { CanSeek: true, Length: 0 };
    }

    /// <summary>The last bytes of the file, up to a number; empty when it cannot be read.</summary>
    public byte[] ReadEnd(int most) => Read(Math.Max(0, Length - most), most);

    /// <summary>The first bytes of the file, up to a number; empty when it cannot be read.</summary>
    public byte[] ReadStart(int most) => Read(0, most);

    /// <summary>Appends whole lines; they have reached the operating system when this returns.</summary>
    public void Append(ReadOnlySpan<byte> lines)
    {
        long? whole = null;
        try
        {
            EnsureOpen();
            var target = stream!;
            // The end is read each time, because a copy-and-truncate rotation may have shortened the file.
            if (target is FileStream { CanSeek: true } file) target.Position = (whole = file.Length).Value;
            else if (target.CanSeek) target.Seek(0, SeekOrigin.End);
            // A line that was left half written, by us or by a process that died, must not swallow the next one.
            if (torn) target.Write("\n"u8);
            torn = false;
            target.Write(lines);
            Written = (whole ?? 0) + lines.Length;
        }
        catch
        {
            torn = !TakeBack(whole);
            Close();
            throw;
        }
    }

    /// <summary>Waits until what was appended is on the disk, when that is configured.</summary>
    public void Flush()
    {
        if (!fsync || stream is not FileStream file) return;
        try
        {
            RandomAccess.FlushToDisk(file.SafeFileHandle);
        }
        catch
        {
            // What was not flushed may be lost although a later flush succeeds; only a new handle can be trusted.
            Close();
            throw;
        }
    }

    /// <summary>Renames the file; the next batch creates a new one at its path.</summary>
    public void MoveTo(string other)
    {
        Close();
        File.Move(path, other);
        torn = false;
    }

    public void Dispose() => Close();

    private byte[] Read(long from, int most)
    {
        if (stream is not FileStream { CanSeek: true, CanRead: true } file) return [];
        var bytes = new byte[(int)Math.Min(most, Math.Max(0, file.Length - from))];
        var read = RandomAccess.Read(file.SafeFileHandle, bytes, from);
        return bytes[..read];
    }

    private void EnsureOpen()
    {
        if (path == AuditSettings.StandardOutput)
        {
            stream ??= OpenStandardOutput();
            return;
        }

        if (stream is FileStream open)
        {
            if (time.GetElapsedTime(lookedAt) < LookEvery) return;
            lookedAt = time.GetTimestamp();
            if (IsStillAtPath(open)) return;
            Close();
            Log.Reopening(logger, path);
        }

        var file = OpenFile();
        stream = file;
        lookedAt = time.GetTimestamp();
        if (!file.CanSeek) return;
        torn = EndsInsideLine(file);
        Written = file.Length;
    }

    private FileStream OpenFile()
    {
        var options = new FileStreamOptions
        {
            Mode = FileMode.OpenOrCreate,
            Access = FileAccess.ReadWrite,
            Share = FileShare.ReadWrite | FileShare.Delete,
            BufferSize = 0,
        };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        var file = new FileStream(path, options);
        try
        {
            TakeForUs(file);
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>
    /// .NET cannot open a file so that the system itself appends (O_APPEND); two processes that each write at the end they
    /// see would overwrite each other's lines. So the second process is refused.
    /// </summary>
    private void TakeForUs(FileStream file)
    {
        if (!file.CanSeek || path == AuditSettings.Nowhere || !(OperatingSystem.IsLinux() || OperatingSystem.IsWindows())) return;
        try
        {
            // A byte far beyond any end of file, so that readers are never blocked.
            file.Lock(long.MaxValue / 2, 1);
        }
        catch (IOException e)
        {
            throw new IOException("another process writes its audit to this file; give every replica its own file", e);
        }
    }

    private static bool EndsInsideLine(FileStream file)
    {
        var length = file.Length;
        if (length == 0) return false;
        Span<byte> last = stackalloc byte[1];
        return RandomAccess.Read(file.SafeFileHandle, last, length - 1) == 1 && last[0] != (byte)'\n';
    }

    /// <summary>
    /// Whether the path still leads to the open file, after a rename, a removal, or either with a new file in its place.
    /// .NET shows no inode number; nobody but us writes to the file, so another file is recognised by its length and times.
    /// </summary>
    private bool IsStillAtPath(FileStream open)
    {
        var named = new FileInfo(path);
        if (named.LinkTarget is not null) named = named.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? named;
        if (!named.Exists) return false;
        SafeFileHandle handle = open.SafeFileHandle;
        return (!open.CanSeek || named.Length == open.Length)
            && named.LastWriteTimeUtc == File.GetLastWriteTimeUtc(handle)
            && named.CreationTimeUtc == File.GetCreationTimeUtc(handle);
    }

    // Otherwise lines that count as unwritten would remain in the file.
    private bool TakeBack(long? whole)
    {
        try
        {
            if (whole is not { } length || stream is not FileStream file) return false;
            file.SetLength(length);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            return false;
        }
    }

    private static Stream OpenStandardOutput()
    {
        // On a pipe the raw handle is used, because the console's stream reports success when the reader has gone.
        var raw = new FileStream(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);
        // On a file the console's stream is used, because it shares its position with whoever else writes there.
        return raw.CanSeek ? Console.OpenStandardOutput() : raw;
    }

    private void Close()
    {
        Written = 0;
        stream?.Dispose();
        stream = null;
    }
}
