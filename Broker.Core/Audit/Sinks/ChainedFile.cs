using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Broker.Core.Audit.Chain;
using Broker.Core.Catalog;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Audit.Sinks;

/// <summary>
/// The audit's file as a part of its chain: where the chain continues after a restart, when the file is due for rotation, and
/// the last checkpoint in a file beside it (<c>.head</c>), by which a cut at the end is found.
/// </summary>
internal sealed partial class ChainedFile(AuditSettings settings, TimeProvider time, ILogger logger) : IAuditSink
{
    // All since the last checkpoint but one, were every line as long as a line can be.
    private const int EndRead = 2 * (ChainFormat.CheckpointEvery + 1) * AuditLine.Longest;
    private const int StartRead = 64 * 1024;

    private readonly AuditFile file = new(settings.Path!, settings.Fsync, time, logger);
    private readonly string path = settings.Path!;
    private DateTimeOffset? since;
    private bool headFailed;
    private bool looked;

    /// <inheritdoc/>
    public string Name => path;

    /// <summary>The path of an audit file's last checkpoint.</summary>
    public static string HeadOf(string path) => path + ".head";

    /// <inheritdoc/>
    public bool Begins()
    {
        var begins = file.Begins();
        if (begins) since = time.GetUtcNow();
        return begins;
    }

    /// <inheritdoc/>
    public void Append(ReadOnlySpan<byte> lines) => file.Append(lines);

    /// <inheritdoc/>
    public void Flush() => file.Flush();

    /// <summary>Whether a line was left half written at the end of the file.</summary>
    public bool Torn => file.Torn;

    /// <summary>Where the chain in the file continues, and what happened to the file in the meantime.</summary>
    public FileEnd ReadEnd()
    {
        file.Begins();
        since = FirstTime() ?? time.GetUtcNow();
        var (kept, isReadable) = ReadKeptHead();
        var end = FileEnd.Of(file.ReadEnd(EndRead), kept);
        if (!isReadable) end = end with { Doubt = "the checkpoint beside the file cannot be read" };
        if (end.Missing > 0) Log.FileWasCut(logger, path, end.Missing);
        if (end.Doubt is { } doubt) Log.FileWasChanged(logger, path, doubt);
        looked = true;
        return end;
    }

    /// <summary>
    /// The end of another chain that this one would follow in the file, because the file could not be read when the
    /// chain began. Null when there is none. Returned only once.
    /// </summary>
    public ChainHead? OtherChain(string chain)
    {
        if (looked) return null;
        looked = true;
        return FileEnd.Of(file.ReadEnd(EndRead), null).Head is { } head && head.Chain != chain ? head : null;
    }

    /// <summary>Whether the file is as large or as old as it may get.</summary>
    public bool IsFull(DateTimeOffset now)
    {
        var rotation = settings.Rotation;
        var most = rotation.MaxMegabytes * 1024L * 1024L;
        // Asked for each batch, so the system is asked only when it may be so.
        return (most > 0 && file.Written >= most && file.Length >= most)
            || (rotation.MaxAge > TimeSpan.Zero && since is { } began && now - began >= rotation.MaxAge && file.Length > 0);
    }

    /// <summary>Renames the file after its last record's number, which sorts as text, and deletes the oldest files beyond those to keep.</summary>
    public void Rotate(long seq)
    {
        // Another chain that stood in the same file may have taken the name.
        while (File.Exists(Aside(seq))) seq++;
        file.MoveTo(Aside(seq));
        var directory = Path.GetDirectoryName(Path.GetFullPath(path))!;
        var name = Path.GetFileName(path);
        var aside = Directory.EnumerateFiles(directory, name + ".*")
            .Where(other => RotatedEnding().IsMatch(other[^13..]) && Path.GetFileName(other).Length == name.Length + 13)
            .OrderBy(File.GetLastWriteTimeUtc).ThenBy(static other => other, StringComparer.Ordinal).ToList();
        foreach (var old in aside.Take(Math.Max(0, aside.Count - settings.Rotation.Keep))) File.Delete(old);
    }

    private string Aside(long seq) => string.Create(CultureInfo.InvariantCulture, $"{path}.{seq:D12}");

    /// <summary>Keeps the newest checkpoint beside the file.</summary>
    public void KeepHead(ReadOnlySpan<byte> checkpoint)
    {
        if (file.Length == 0) return;
        try
        {
            var beside = HeadOf(path) + ".new";
            File.WriteAllBytes(beside, checkpoint);
            File.Move(beside, HeadOf(path), overwrite: true);
            headFailed = false;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The records are written; only the proof that none was cut off after the previous checkpoint is lost.
            if (!headFailed) Log.HeadNotKept(logger, HeadOf(path), e.Message);
            headFailed = true;
        }
    }

    public void Dispose() => file.Dispose();

    // One that cannot be read is no reason to begin another chain, which would excuse what is missing at the end of this one.
    private (byte[]? Kept, bool IsReadable) ReadKeptHead()
    {
        try
        {
            return (File.ReadAllBytes(HeadOf(path)).AsSpan().TrimEnd((byte)'\n').ToArray(), true);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return (null, true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return (null, false);
        }
    }

    private DateTimeOffset? FirstTime()
    {
        var start = file.ReadStart(StartRead).AsSpan();
        var end = start.IndexOf((byte)'\n');
        if (end < 0) return null;
        try
        {
            using var json = JsonDocument.Parse(start[..end].ToArray());
            return json.RootElement.TryGetProperty("time", out var at) && at.TryGetDateTimeOffset(out var first) ? first : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null; // the latter: a line that somebody else made up
        }
    }

    [GeneratedRegex(@"\A\.[0-9]{12}\z")]
    private static partial Regex RotatedEnding();
}
