using System.Buffers.Text;
using System.Text;
using System.Text.Json;
using Broker.Core.Audit.Chain;

namespace Broker.Core.Audit.Sinks;

/// <summary>What a broker finds at the end of its audit file when it starts.</summary>
/// <param name="Head">Where the chain continues; null: there is none.</param>
/// <param name="Doubt">What is wrong, which is also recorded in the chain; null when nothing.</param>
/// <param name="Missing">Records that were cut off, as far as the checkpoint beside the file knows.</param>
internal sealed record FileEnd(ChainHead? Head, string? Doubt, long Missing = 0)
{
    private static readonly byte[] CheckpointEvent = Encoding.UTF8.GetBytes($"\"event\":\"{ChainFormat.Checkpoint}\"");

    /// <param name="end">The file's last bytes: all since the second-to-last checkpoint.</param>
    /// <param name="kept">The line beside the file; null: there is none.</param>
    public static FileEnd Of(ReadOnlySpan<byte> end, byte[]? kept)
    {
        ChainHead? last = null;
        byte[]? standing = null;
        List<long> checkpoints = [];
        var head = kept is null ? null : HeadIn(kept);
        while (end.LastIndexOf((byte)'\n') is var at and >= 0)
        {
            end = end[..at];
            var line = end[(end.LastIndexOf((byte)'\n') + 1)..];
            var isCheckpoint = line.IndexOf(CheckpointEvent) >= 0;
            if (last is not null && !isCheckpoint && head is null) continue;
            if (HeadIn(line) is not { } found) continue;
            last ??= found;
            if (isCheckpoint) checkpoints.Add(found.Seq);
            if (head is not null && found.Chain == head.Chain && found.Seq == head.Seq) standing = line.ToArray();
            if (checkpoints.Count > 1 || standing is not null) break;
        }

        if (kept is null) return new(last, checkpoints.Count == 0 ? null : "the checkpoint beside the file is gone");
        if (head is null) return new(last, "what is kept beside the file is not a checkpoint");
        // The chain continues after what is missing, so that the gap stays visible.
        if (last is null) return new(head, null, head.Seq);
        if (last.Chain != head.Chain) return new(head, "the file holds another chain");
        if (last.Seq < head.Seq) return new(head, "its end was cut off", head.Seq - last.Seq);
        // A broker that died may have been one checkpoint behind; with fewer than two here, the one beside belongs to the previous file.
        if (standing is null) return new(last, checkpoints.Count > 1 ? "the checkpoint beside the file is an older one" : null);
        return new(last, standing.AsSpan().SequenceEqual(kept) ? null : "its end was rewritten");
    }

    private static ChainHead? HeadIn(ReadOnlySpan<byte> line)
    {
        if (!ChainFormat.TrySplit(line, out _, out var hash)) return null;
        try
        {
            using var json = JsonDocument.Parse(line.ToArray());
            return Base64Url.IsValid(hash) && json.RootElement.GetProperty("chain").GetString() is { } chain
                ? new(chain, json.RootElement.GetProperty("seq").GetInt64(), Encoding.ASCII.GetString(hash))
                : null;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            return null;
        }
    }
}
