using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Broker.Core.Audit.Chain;
using Broker.Core.Audit.Sinks;

namespace Broker.Core.Audit.Reading;

/// <summary>What reading an audit against its chain came to.</summary>
/// <param name="Records">Lines read, checkpoints and the like included.</param>
/// <param name="Checkpoints">Checkpoints whose signature was verified.</param>
/// <param name="Problems">What was changed, is missing or stands in another order; empty: nothing.</param>
/// <param name="Notes">What a reader should know besides.</param>
public sealed record AuditVerification(long Records, long Checkpoints, IReadOnlyList<string> Problems, IReadOnlyList<string> Notes);

/// <summary>
/// Finds every changed, missing or reordered record of an audit: by the chain of hashes, by the checkpoints' signatures, and
/// at the end by the checkpoint kept beside the file.
/// </summary>
public sealed class ChainVerifier
{
    private const int MostProblems = 100;

    // A checkpoint follows a record within a second; a batch that hangs can take five, and be told of late.
    private static readonly TimeSpan WithoutCheckpoint = TimeSpan.FromSeconds(30);

    private readonly CheckpointKey? key;
    private readonly List<string> problems = [];
    private readonly List<string> notes = [];
    private readonly List<(string Chain, long From, long To, string After)> lost = [];
    private readonly byte[] hash = new byte[SHA256.HashSizeInBytes];

    private string chain = "";
    private long seq;
    private string? previous;
    private string lastTime = "";
    private string? uncoveredSince;
    private long uncovered;
    private long records;
    private long checkpoints;
    private long unsigned;
    private bool closed;
    private string? unreadable;
    private ChainHead? kept;
    private bool keptSeen;

    private ChainVerifier(CheckpointKey? key) => this.key = key;

    /// <summary>Verifies files of one chain; rotated ones come before the current one.</summary>
    /// <param name="files">The files, in any order.</param>
    /// <param name="keyPem">The EC key of the checkpoints in PEM, public or private; null: signatures are not verified.</param>
    /// <exception cref="IOException">A file cannot be read.</exception>
    /// <exception cref="InvalidDataException">The key is none.</exception>
    public static AuditVerification Verify(IReadOnlyCollection<string> files, string? keyPem)
    {
        using var key = keyPem is null ? null : CheckpointKey.Read(keyPem);
        return new ChainVerifier(key).Run(InOrder(files));
    }

    /// <summary>Rotated files sort by their number; the current one has none and is the last.</summary>
    internal static IReadOnlyList<string> InOrder(IReadOnlyCollection<string> files) =>
        [.. files.OrderBy(static file => FirstSeq(file)).ThenBy(static file => file, StringComparer.Ordinal)];

    private AuditVerification Run(IReadOnlyList<string> files)
    {
        foreach (var file in files) CollectLosses(file);
        if (files.Count > 0) ReadKept(files[^1]);
        foreach (var file in files)
        {
            var number = 0;
            foreach (var line in File.ReadLines(file)) Read($"{Path.GetFileName(file)}:{++number}", line);
        }

        End();
        return new(records, checkpoints, problems, notes);
    }

    private void Read(string place, string text)
    {
        var line = Encoding.UTF8.GetBytes(text);
        if (Parse(line) is not { } json)
        {
            Say(unreadable);
            unreadable = $"{place}: is no record of the chain.";
            return;
        }

        using (json)
        {
            var root = json.RootElement;
            var what = root.TryGetProperty("event", out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
            var follows = Follow(place, root, what);
            records++;
            if (!follows) return;
            ChainFormat.TrySplit(line, out var hashed, out var stated);
            CheckHash(place, hashed, stated);
            closed = false;
            if (what == ChainFormat.Checkpoint) CheckCheckpoint(place, root);
            else if (what is null) Uncover(place, root);
            previous = Encoding.ASCII.GetString(stated);
            if (kept is not null && kept.Chain == chain && kept.Seq == seq)
            {
                keptSeen = true;
                if (kept.Hash != previous) Say($"{place}: is another record than the one whose checkpoint is kept beside the file: the end was rewritten.");
            }
        }
    }

    // Whether the line is to be read on, and what it follows.
    private bool Follow(string place, JsonElement root, string? what)
    {
        var id = root.GetProperty("chain").GetString()!;
        var number = root.GetProperty("seq").GetInt64();
        var opened = what == ChainFormat.Opened;
        var after = root.TryGetProperty(ChainFormat.After, out var text) ? text.GetString() : null;
        var wasTorn = unreadable is not null && opened && root.TryGetProperty(ChainFormat.Torn, out _);
        if (id != chain)
        {
            if (chain.Length > 0) notes.Add($"{place}: another chain ({id}) begins; {chain} ends at record {seq}.");
            if (number == 1) after = ChainHead.Nothing;
            if (!opened || after is null) Say($"{place}: the chain {id} has no beginning here.");
            else if (number != 1) notes.Add($"{place}: goes on behind record {number - 1}, which is not among these files.");
            (chain, seq, previous, uncovered, uncoveredSince) = (id, number, opened ? after : null, 0, null);
        }
        else if (number <= seq)
        {
            Say($"{place}: record {number} stands behind record {seq}: it was moved, or written twice.");
            return false;
        }
        else
        {
            if (number > seq + 1) Gap(place, seq + 1, number - 1);
            seq = number;
        }

        if (wasTorn) notes.Add($"{place}: before it stands half a line that a broker left when it died.");
        else Say(unreadable);
        unreadable = null;
        return true;
    }

    private void Gap(string place, long from, long to)
    {
        previous = null;
        var known = lost.Find(range => range.Chain == chain && range.From <= from && range.To >= to);
        if (known.After is null)
        {
            Say($"{place}: {(from == to ? $"record {from} is" : $"records {from} to {to} are")} missing before it.");
            return;
        }

        if (known.To == to) previous = known.After;
        unreadable = null;
        notes.Add($"{place}: records {from} to {to} were not taken by this sink; the chain says so. They were refused, or another sink has them.");
    }

    private void CheckHash(string place, ReadOnlySpan<byte> hashed, ReadOnlySpan<byte> stated)
    {
        // Behind a gap there is nothing to hash with; the problem is told already.
        if (previous is null) return;
        Span<byte> bytes = new byte[SHA256.HashSizeInBytes + hashed.Length];
        if (!TryDecode(previous, bytes))
        {
            Say($"{place}: follows something that is no hash.");
            return;
        }

        hashed.CopyTo(bytes[SHA256.HashSizeInBytes..]);
        SHA256.HashData(bytes, hash);
        if (Base64Url.EncodeToString(hash) != Encoding.ASCII.GetString(stated))
            Say($"{place}: record {seq} was changed, or what it follows was.");
    }

    private void CheckCheckpoint(string place, JsonElement root)
    {
        closed = Text(root, ChainFormat.Why) == ChainFormat.Closed;
        var head = Text(root, ChainFormat.Head);
        if (previous is not null && head != previous) Say($"{place}: the checkpoint vouches for another record {seq - 1}.");
        (uncovered, uncoveredSince) = (0, null);
        if (Text(root, ChainFormat.Signature) is not { } signature)
        {
            unsigned++;
            if (key is not null) Say($"{place}: the checkpoint is not signed.");
            return;
        }

        if (key is null) return;
        if (key.Verify(new ChainHead(chain, seq - 1, head ?? ""), Text(root, "time") ?? "", signature)) checkpoints++;
        else Say($"{place}: the checkpoint's signature is not by this key ({key.Id}).");
    }

    private void Uncover(string place, JsonElement root)
    {
        lastTime = Text(root, "time") ?? lastTime;
        uncoveredSince ??= lastTime;
        if (++uncovered == ChainFormat.CheckpointEvery + 1) Say($"{place}: {uncovered} records without a checkpoint: some were taken out.");
        if (DateTimeOffset.TryParse(uncoveredSince, CultureInfo.InvariantCulture, out var from)
            && DateTimeOffset.TryParse(lastTime, CultureInfo.InvariantCulture, out var now) && now - from > WithoutCheckpoint)
        {
            Say($"{place}: no checkpoint since {uncoveredSince}: it was taken out.");
            uncoveredSince = lastTime;
        }
    }

    private void End()
    {
        Say(unreadable);
        if (records == 0) Say("There is no record of a chain at all.");
        if (kept is not null && !keptSeen && kept.Chain == chain && kept.Seq > seq)
            Say($"The end was cut off: record {kept.Seq} has a checkpoint beside the file, and the last one here is {seq}.");
        if (uncovered > 0) notes.Add($"The last {uncovered} records are not covered by a checkpoint yet; nothing vouches for what may have stood behind them.");
        if (records > 0 && !closed) notes.Add("The broker has not ended this chain: it is running, or it died.");
        if (unsigned > 0 && key is null) notes.Add($"{unsigned} checkpoints are not signed: whoever can write the file could have rewritten all of it.");
        if (key is null) notes.Add("Signatures were not verified: no key was given.");
    }

    private void ReadKept(string file)
    {
        var path = ChainedFile.HeadOf(file);
        if (!File.Exists(path))
        {
            notes.Add($"There is no {Path.GetFileName(path)} beside the last file: a cut at its end can be seen only up to its last checkpoint.");
            return;
        }

        var line = File.ReadAllBytes(path).AsSpan().TrimEnd((byte)'\n').ToArray();
        using var json = Parse(line);
        if (json is null)
        {
            Say($"{Path.GetFileName(path)}: is no checkpoint.");
            return;
        }

        ChainFormat.TrySplit(line, out _, out var stated);
        var root = json.RootElement;
        kept = new(root.GetProperty("chain").GetString()!, root.GetProperty("seq").GetInt64(), Encoding.ASCII.GetString(stated));
        if (key is not null && !(Text(root, ChainFormat.Signature) is { } signature
            && key.Verify(new ChainHead(kept.Chain, kept.Seq - 1, Text(root, ChainFormat.Head) ?? ""), Text(root, "time") ?? "", signature)))
            Say($"{Path.GetFileName(path)}: its signature is not by this key ({key.Id}).");
    }

    private void CollectLosses(string file)
    {
        foreach (var line in File.ReadLines(file).Where(line => line.Contains("\"event\":\"resumed\"", StringComparison.Ordinal)))
        {
            using var json = Parse(Encoding.UTF8.GetBytes(line));
            if (json?.RootElement is { } root && Text(root, "event") == ChainFormat.Resumed && Text(root, ChainFormat.After) is { } after
                && root.TryGetProperty(ChainFormat.LostFrom, out var from) && root.TryGetProperty(ChainFormat.LostTo, out var to)
                && from.TryGetInt64(out var first) && to.TryGetInt64(out var last))
                lost.Add((root.GetProperty("chain").GetString()!, first, last, after));
        }
    }

    private static JsonDocument? Parse(byte[] line)
    {
        if (!ChainFormat.TrySplit(line, out _, out _)) return null;
        try
        {
            var json = JsonDocument.Parse(line);
            if (json.RootElement.ValueKind == JsonValueKind.Object
                && Text(json.RootElement, "chain") is not null
                && json.RootElement.TryGetProperty("seq", out var number) && number.TryGetInt64(out _)) return json;
            json.Dispose();
            return null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static long FirstSeq(string file)
    {
        foreach (var line in File.ReadLines(file))
        {
            using var json = Parse(Encoding.UTF8.GetBytes(line));
            if (json is not null) return json.RootElement.GetProperty("seq").GetInt64();
        }

        return long.MaxValue;
    }

    private static string? Text(JsonElement root, string name) =>
        root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static bool TryDecode(string text, Span<byte> into)
    {
        try
        {
            return Base64Url.DecodeFromChars(text, into) == SHA256.HashSizeInBytes;
        }
        catch (Exception e) when (e is FormatException or ArgumentException)
        {
            return false;
        }
    }

    private void Say(string? problem)
    {
        if (problem is null || problems.Count > MostProblems) return;
        problems.Add(problems.Count == MostProblems ? "More follow." : problem);
    }
}
