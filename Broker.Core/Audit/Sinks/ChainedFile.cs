using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Broker.Core.Audit.Chain;
using Broker.Core.Catalog;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Audit.Sinks;

/// <summary>
/// The audit's file as a part of its chain: where the chain goes on after a restart, when the file is to be rotated, and
/// the last checkpoint in a file beside it (<c>.head</c>), by which a cut at the end is found.
/// </summary>
internal sealed partial class ChainedFile(AuditSettings settings, TimeProvider time, ILogger logger) : IAuditSink
{
    // A line is far shorter; its texts are cut at 1,024 characters.
    private const int EndRead = 64 * 1024;

    private readonly AuditFile file = new(settings.Path!, settings.Fsync, time, logger);
    private readonly string path = settings.Path!;
    private DateTimeOffset? since;
    private bool headFailed;

    /// <inheritdoc/>
    public string Name => path;

    /// <summary>Where the last checkpoint of an audit file stands.</summary>
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

    /// <summary>The end of the chain in the file that is there; null: no chain.</summary>
    public ChainHead? ReadHead()
    {
        file.Begins();
        since = FirstTime() ?? time.GetUtcNow();
        var last = LastLine(file.ReadEnd(EndRead));
        var kept = ReadKeptHead();
        if (kept is not null && (last is null || (last.Chain == kept.Chain && last.Seq < kept.Seq)))
        {
            // Somebody cut the file while we were away. The chain goes on behind what is missing, so that it stays visible.
            Log.FileWasCut(logger, path, kept.Seq - (last?.Seq ?? 0));
            return kept;
        }

        return last;
    }

    /// <summary>Whether the file is as large or as old as it may get.</summary>
    public bool IsFull(DateTimeOffset now)
    {
        var rotation = settings.Rotation;
        return (rotation.MaxMegabytes > 0 && file.Length >= rotation.MaxMegabytes * 1024L * 1024L)
            || (rotation.MaxAge > TimeSpan.Zero && since is { } began && now - began >= rotation.MaxAge && file.Length > 0);
    }

    /// <summary>Puts the file aside under its last record's number, which sorts as text, and drops the oldest beyond those to keep.</summary>
    public void Rotate(long seq)
    {
        file.MoveTo(string.Create(CultureInfo.InvariantCulture, $"{path}.{seq:D12}"));
        var directory = Path.GetDirectoryName(Path.GetFullPath(path))!;
        var name = Path.GetFileName(path);
        var aside = Directory.EnumerateFiles(directory, name + ".*")
            .Where(other => RotatedEnding().IsMatch(other[^13..]) && Path.GetFileName(other).Length == name.Length + 13)
            .Order(StringComparer.Ordinal).ToList();
        foreach (var old in aside.Take(Math.Max(0, aside.Count - settings.Rotation.Keep))) File.Delete(old);
    }

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
            // The records are written; what is lost is only the proof that none was cut off behind the checkpoint before.
            if (!headFailed) Log.HeadNotKept(logger, HeadOf(path), e);
            headFailed = true;
        }
    }

    public void Dispose() => file.Dispose();

    /// <summary>The chain's end in the last whole line; null when there is none.</summary>
    private static ChainHead? LastLine(ReadOnlySpan<byte> end)
    {
        while (end.LastIndexOf((byte)'\n') is var at and >= 0)
        {
            end = end[..at];
            var line = end[(end.LastIndexOf((byte)'\n') + 1)..];
            if (HeadIn(line) is { } head) return head;
        }

        return null;
    }

    private static ChainHead? HeadIn(ReadOnlySpan<byte> line)
    {
        if (!ChainFormat.TrySplit(line, out _, out var hash)) return null;
        try
        {
            using var json = JsonDocument.Parse(line.ToArray());
            return new(json.RootElement.GetProperty("chain").GetString()!, json.RootElement.GetProperty("seq").GetInt64(), Encoding.ASCII.GetString(hash));
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            return null;
        }
    }

    private ChainHead? ReadKeptHead()
    {
        try
        {
            return HeadIn(File.ReadAllBytes(HeadOf(path)).AsSpan().TrimEnd((byte)'\n'));
        }
        catch (IOException)
        {
            return null;
        }
    }

    private DateTimeOffset? FirstTime()
    {
        var start = file.ReadStart(EndRead).AsSpan();
        var end = start.IndexOf((byte)'\n');
        if (end < 0) return null;
        try
        {
            using var json = JsonDocument.Parse(start[..end].ToArray());
            return json.RootElement.TryGetProperty("time", out var at) && at.TryGetDateTimeOffset(out var first) ? first : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    [GeneratedRegex(@"\A\.[0-9]{12}\z")]
    private static partial Regex RotatedEnding();
}
