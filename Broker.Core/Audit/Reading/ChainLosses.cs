using Broker.Core.Audit.Chain;

namespace Broker.Core.Audit.Reading;

/// <summary>Records that a sink lost, according to the chain.</summary>
/// <param name="Chain">The chain's id.</param>
/// <param name="From">The first of them.</param>
/// <param name="To">The last of them.</param>
/// <param name="Last">The hash of the record before them.</param>
/// <param name="After">The hash of the last of them.</param>
internal sealed record ChainLoss(string Chain, long From, long To, string Last, string After);

/// <summary>
/// What a sink lost. A loss is believed only if a signed checkpoint follows its line, with an unbroken chain in between:
/// anybody can write a line that excuses a gap.
/// </summary>
internal static class ChainLosses
{
    private static readonly byte[] Resumed = System.Text.Encoding.UTF8.GetBytes($"\"event\":\"{ChainFormat.Resumed}\"");

    /// <param name="files">The files, in their order.</param>
    /// <param name="isSink">Whether the sink of this name wrote these files.</param>
    /// <param name="vouches">Whether a checkpoint is genuine.</param>
    public static IReadOnlyList<ChainLoss> Read(IReadOnlyList<string> files, Func<string, bool> isSink, Func<ChainLine, bool> vouches)
    {
        // Hardly any audit has losses, so a scan of the bytes is usually enough.
        if (!files.Any(static file => AuditLines.Of(file).Any(static line => line.Bytes.AsSpan().IndexOf(Resumed) >= 0))) return [];
        List<ChainLoss> believed = [];
        List<ChainLoss> waiting = [];
        ChainLine? before = null;
        foreach (var (bytes, _) in files.SelectMany(AuditLines.Of))
        {
            if (ChainLine.Parse(bytes) is not { } line) continue;
            var follows = before is not null && line.Chain == before.Chain && line.Seq == before.Seq + 1 && line.Follows(before.Hash);
            // After a gap, a line is bound by the hash that it says it follows.
            var begins = line.Event is ChainFormat.Opened or ChainFormat.Resumed && line.Text(ChainFormat.After) is { } after && line.Follows(after);
            if (!follows) waiting.Clear();
            before = follows || begins ? line : null;
            if (before is null) continue;
            if (line.Event == ChainFormat.Resumed && Loss(line) is { } loss && isSink(line.Text(ChainFormat.Sink) ?? "")) waiting.Add(loss);
            if (line.Event != ChainFormat.Checkpoint || !vouches(line)) continue;
            believed.AddRange(waiting);
            waiting.Clear();
        }

        return believed;
    }

    private static ChainLoss? Loss(ChainLine line) =>
        line.Number(ChainFormat.LostFrom) is { } from && line.Number(ChainFormat.LostTo) is { } to
        && line.Text(ChainFormat.Last) is { } last && line.Text(ChainFormat.After) is { } after
            ? new(line.Chain, from, to, last, after)
            : null;
}
