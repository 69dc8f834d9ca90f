using System.Globalization;
using System.Text.RegularExpressions;
using Broker.Core.Audit.Chain;
using Broker.Core.Audit.Sinks;

namespace Broker.Core.Audit.Reading;

/// <summary>
/// Checks the end of an audit, which a chain of hashes cannot protect: against the checkpoint beside the last file, and against those that are
/// kept elsewhere.
/// </summary>
internal sealed partial class ChainEnd
{
    private readonly Dictionary<(string, long), ChainLine> anchors = [];
    private readonly HashSet<string> anchored = new(StringComparer.Ordinal);
    private readonly Func<ChainLine, bool> isGenuine;
    private readonly string? beside;
    private readonly byte[]? kept;
    private readonly ChainLine? head;
    private bool headSeen;
    private ChainLine? last;
    private ChainLine? lastButOne;

    /// <summary>Reads the checkpoints to compare with, before the files, because a broker may be writing to them.</summary>
    public ChainEnd(IReadOnlyList<string> files, VerifyOptions options, Func<ChainLine, bool> isGenuine)
    {
        this.isGenuine = isGenuine;
        if (files.Count > 0 && options.Sink is null) beside = ChainedFile.HeadOf(RotatedEnding().Replace(files[^1], ""));
        kept = ReadKept();
        head = kept is null ? null : ChainLine.Parse(kept);
        foreach (var line in options.Anchors.SelectMany(File.ReadLines).SelectMany(ChainAnchor.Read))
        {
            if (ChainLine.Parse(line) is not { } anchor || !isGenuine(anchor)) continue;
            anchors[(anchor.Chain, anchor.Seq)] = anchor;
            anchored.Add(anchor.Chain);
        }
    }

    /// <summary>Takes a line of the files, in order.</summary>
    public string? Pass(ChainLine line, bool vouches)
    {
        if (vouches) (lastButOne, last) = (last, line);
        if (anchors.TryGetValue((line.Chain, line.Seq), out var anchor) && anchor.Bytes.AsSpan().SequenceEqual(line.Bytes)) anchors.Remove((line.Chain, line.Seq));
        if (head is null || line.Chain != head.Chain || line.Seq != head.Seq) return null;
        headSeen = true;
        return line.Bytes.AsSpan().SequenceEqual(kept) ? null : "differs from the record whose checkpoint is kept beside the file: the end was rewritten.";
    }

    /// <summary>Reports what is wrong at the end, and what a reader should know about it.</summary>
    /// <param name="ranges">The first and the last record of each chain.</param>
    /// <param name="losses">What these files lost.</param>
    /// <param name="closed">Whether the audit ends with the end of its broker.</param>
    /// <param name="options">As given to the constructor.</param>
    /// <param name="say">Called with each problem.</param>
    /// <param name="note">Called with each note.</param>
    public void Check(
        IReadOnlyDictionary<string, (long First, long Last)> ranges, IReadOnlyList<ChainLoss> losses, bool closed, VerifyOptions options, Action<string> say, Action<string> note)
    {
        if (beside is not null) CheckHead(Path.GetFileName(beside), ranges, closed, options, say, note);
        if (options.Anchors.Count == 0) return;
        SortedSet<string> missing = new(StringComparer.Ordinal);
        foreach (var anchor in anchors.Values.OrderBy(static anchor => anchor.Seq))
        {
            if (!ranges.TryGetValue(anchor.Chain, out var range)) missing.Add(anchor.Chain);
            else if (anchor.Seq > range.Last) say($"The end was cut off: the anchors have a checkpoint at record {anchor.Seq}, but the last record here is {range.Last}.");
            else if (anchor.Seq >= range.First && !losses.Any(loss => loss.Chain == anchor.Chain && loss.From <= anchor.Seq && anchor.Seq <= loss.To))
                say($"At record {anchor.Seq}, the anchors and these files have different checkpoints.");
        }

        foreach (var chain in missing) say($"The anchors have a chain {chain} that is not among these files; give only the anchors of this replica.");
        if (!anchored.Overlaps(ranges.Keys)) say("The anchors have no genuine checkpoint of a chain in these files.");
    }

    private void CheckHead(
        string name, IReadOnlyDictionary<string, (long First, long Last)> ranges, bool closed, VerifyOptions options, Action<string> say, Action<string> note)
    {
        if (kept is null)
        {
            if (last is null || !options.WantsHead || options.KeysPem.Count == 0)
                note($"There is no {name} beside the last file: records missing after its last checkpoint cannot be detected.");
            else say($"There is no {name} beside the last file to hold the last checkpoint: the end may have been cut off.");
            return;
        }

        if (head is null || head.Event != ChainFormat.Checkpoint)
        {
            say($"{name}: is not a checkpoint.");
            return;
        }

        if (options.KeysPem.Count > 0 && !isGenuine(head)) say($"{name}: it is not signed with this key.");
        var now = ReadKept();
        var grows = now is not null && !now.AsSpan().SequenceEqual(kept);
        if (!headSeen && ranges.TryGetValue(head.Chain, out var range) && head.Seq > range.Last)
            say($"The end was cut off: record {head.Seq} has a checkpoint beside the file, but the last record here is {range.Last}.");
        else if (!headSeen)
            say(string.Create(CultureInfo.InvariantCulture, $"{name}: its checkpoint, record {head.Seq} of chain {head.Chain}, is not among these files: it belongs to another audit, or is an older one."));
        else if (!grows && last is not null && head.End != last.End && (closed || head.End != lastButOne?.End))
            say($"{name}: is older than the last checkpoint here, record {last.Seq}: somebody put an old one back.");
        else if (!grows && last is not null && head.End != last.End)
            note($"{name}: is one checkpoint behind, which is normal while a broker writes or after one has died.");
    }

    private byte[]? ReadKept() => beside is not null && File.Exists(beside) ? File.ReadAllBytes(beside).AsSpan().TrimEnd((byte)'\n').ToArray() : null;

    [GeneratedRegex(@"\.[0-9]{12}\z")]
    private static partial Regex RotatedEnding();
}
