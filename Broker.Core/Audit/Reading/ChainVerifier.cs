using System.Globalization;
using Broker.Core.Audit.Chain;

namespace Broker.Core.Audit.Reading;

/// <summary>The result of verifying an audit.</summary>
/// <param name="Records">Lines read, checkpoints and the like included.</param>
/// <param name="Checkpoints">Checkpoints whose signature was verified.</param>
/// <param name="Problems">What is changed, missing or reordered; empty when nothing is.</param>
/// <param name="Notes">What else a reader should know.</param>
public sealed record AuditVerification(long Records, long Checkpoints, IReadOnlyList<string> Problems, IReadOnlyList<string> Notes);

/// <summary>
/// Finds every changed, missing or reordered record of an audit: by the chain of hashes, by the checkpoints' signatures, and
/// at the end by the checkpoints kept beside the file and elsewhere. docs/security.md lists what cannot be detected.
/// </summary>
public sealed class ChainVerifier : IDisposable
{
    private const int MostProblems = 100;

    // A file that begins, and each sink that lost records, are told of in lines of their own.
    private const int MostUncovered = ChainFormat.CheckpointEvery + 5;

    // A checkpoint follows a record within a second; a hanging batch can take five, and be reported late.
    private static readonly TimeSpan WithoutCheckpoint = TimeSpan.FromSeconds(30);

    private readonly VerifyOptions options;
    private readonly Dictionary<string, CheckpointKey> keys = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (long First, long Last)> ranges = new(StringComparer.Ordinal);
    private readonly List<string> problems = [];
    private readonly List<string> notes = [];
    private IReadOnlyList<ChainLoss> losses = [];

    private ChainHead? before;
    private bool isKnown;
    private long uncovered;
    private bool uncoveredStart;
    private string? uncoveredSince;
    private DateTimeOffset? pendingFrom;
    private DateTimeOffset? pendingTo;
    private bool pendingUntimed;
    private long records;
    private long checkpoints;
    private long unsigned;
    private bool closed;
    private string? unreadable;

    private ChainVerifier(VerifyOptions options) => this.options = options;

    /// <summary>Verifies files of one replica; rotated ones come before the current one.</summary>
    /// <param name="files">The files, in any order.</param>
    /// <param name="keyPem">The EC key of the checkpoints in PEM, public or private; null: signatures are not verified.</param>
    /// <exception cref="IOException">A file cannot be read.</exception>
    /// <exception cref="InvalidDataException">The key is not a valid key.</exception>
    public static AuditVerification Verify(IReadOnlyCollection<string> files, string? keyPem) =>
        Against(files, new VerifyOptions { KeysPem = keyPem is null ? [] : [keyPem] });

    /// <summary>Verifies files of one replica; rotated ones come before the current one.</summary>
    /// <param name="files">The files, in any order.</param>
    /// <param name="options">What to verify them against.</param>
    /// <exception cref="IOException">A file cannot be read.</exception>
    /// <exception cref="InvalidDataException">A key is not a valid key.</exception>
    public static AuditVerification Against(IReadOnlyCollection<string> files, VerifyOptions options)
    {
        using var verifier = new ChainVerifier(options);
        foreach (var pem in options.KeysPem)
        {
            var key = CheckpointKey.Read(pem);
            if (!verifier.keys.TryAdd(key.Id, key)) key.Dispose();
        }

        return verifier.Run(FileOrder.Of(files));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var key in keys.Values) key.Dispose();
    }

    private AuditVerification Run(IReadOnlyList<string> files)
    {
        var end = new ChainEnd(files, options, line => line.IsSignedBy(keys));
        losses = ChainLosses.Read(files, IsSink, Vouches);
        foreach (var file in files)
        {
            var number = 0;
            foreach (var (bytes, isWhole) in AuditLines.Of(file)) Read($"{Path.GetFileName(file)}:{++number}", bytes, isWhole, end);
        }

        End(end, files);
        return new(records, checkpoints, problems, notes);
    }

    private bool IsSink(string name) => options.Sink is { } sink ? name == sink : name is not ("-" or "syslog" or "otlp");

    private bool Vouches(ChainLine line) => line.Event == ChainFormat.Checkpoint && (keys.Count == 0 || line.IsSignedBy(keys));

    private void Read(string place, byte[] bytes, bool isWhole, ChainEnd end)
    {
        if (!isWhole || ChainLine.Parse(bytes) is not { } line)
        {
            Say(unreadable);
            unreadable = $"{place}: is not a record of the chain.";
            return;
        }

        records++;
        if (!Place(place, line)) return;
        if (isKnown && !line.Follows(before!.Hash)) Say($"{place}: record {line.Seq} was changed, or the record before it was.");
        if (closed && !(line.Event == ChainFormat.Opened && line.Flag(ChainFormat.Started))) Say($"{place}: comes after the record that ended its broker's chain.");
        if (line.Event == ChainFormat.Opened) Open(place, line);
        var vouches = line.Event == ChainFormat.Checkpoint && Checkpoint(place, line);
        if (!vouches) Uncover(place, line);
        if (end.Pass(line, vouches) is { } wrong) Say($"{place}: {wrong}");
        (before, isKnown) = (line.End, true);
        ranges[line.Chain] = (ranges.TryGetValue(line.Chain, out var range) ? range.First : line.Seq, line.Seq);
    }

    // Whether to continue with the line. It then follows the record before it, or the break has been reported.
    private bool Place(string place, ChainLine line)
    {
        if (before is not { } last || line.Chain != last.Chain)
        {
            Forgive(place, line);
            if (before is not null) Switch(place, line, before);
            Start(place, line);
            Covered();
            closed = false;
            return true;
        }

        if (line.Seq <= last.Seq)
        {
            Forgive(place, line);
            Say($"{place}: record {line.Seq} comes after record {last.Seq}: it was moved, or written twice.");
            return false;
        }

        if (line.Seq > last.Seq + 1) Gap(place, line, last);
        Forgive(place, line);
        return true;
    }

    private void Switch(string place, ChainLine line, ChainHead end)
    {
        if (line.Event == ChainFormat.Opened && line.FollowsChain(end))
            notes.Add($"{place}: another chain ({line.Chain}) begins after record {end.Seq} of {end.Chain}; its broker recorded that it could not read the earlier chain.");
        else
            Say($"{place}: another chain ({line.Chain}) begins without saying that it follows record {end.Seq} of {end.Chain}: it was put here, or the end of the other chain is missing.");
    }

    private void Start(string place, ChainLine line)
    {
        if (before is null && line.Has(ChainFormat.Behind)) Say($"{place}: the chain {line.Chain} says that it follows another in this file, which is missing.");
        isKnown = true;
        if (line.Seq == 1 && line.Event == ChainFormat.Opened)
        {
            before = new(line.Chain, 0, ChainHead.Nothing);
        }
        else if (losses.FirstOrDefault(loss => loss.Chain == line.Chain && loss.From == 1 && loss.To == line.Seq - 1) is { } lost)
        {
            before = new(line.Chain, line.Seq - 1, lost.After);
            Lost(place, lost);
        }
        else if (line.Event == ChainFormat.Opened && line.Flag(ChainFormat.NewFile) && line.Text(ChainFormat.After) is { } after)
        {
            before = new(line.Chain, line.Seq - 1, after);
            notes.Add($"{place}: continues after record {line.Seq - 1}, which is not among these files.");
        }
        else
        {
            isKnown = false;
            Say($"{place}: the chain {line.Chain} has no beginning here.");
        }
    }

    private void Gap(string place, ChainLine line, ChainHead last)
    {
        var (from, to) = (last.Seq + 1, line.Seq - 1);
        if (losses.FirstOrDefault(loss => loss.Chain == line.Chain && loss.From == from && loss.To == to && loss.Last == last.Hash) is not { } lost)
        {
            isKnown = false;
            Say($"{place}: {(from == to ? $"record {from} is" : $"records {from} to {to} are")} missing before it.");
            return;
        }

        // The hash before the loss vouches for what the sink accepted before it failed.
        before = new(line.Chain, to, lost.After);
        Covered();
        Lost(place, lost);
    }

    private void Lost(string place, ChainLoss lost) => notes.Add(
        $"{place}: the chain says that this sink did not accept records {lost.From} to {lost.To}. They were refused, or another sink has them.");

    private void Forgive(string place, ChainLine line)
    {
        if (unreadable is not null && line.Event == ChainFormat.Opened && line.Flag(ChainFormat.Torn))
            notes.Add($"{place}: before it is half a line, left by a broker that died.");
        else Say(unreadable);
        unreadable = null;
    }

    private void Open(string place, ChainLine line)
    {
        if (line.Has(ChainFormat.Doubt)) Say($"{place}: the broker that started here found that {line.Text(ChainFormat.Doubt) ?? "something is wrong, in words that cannot be read"}.");
        if (!line.Flag(ChainFormat.Started) || closed || line.Seq == 1 || ranges.Count == 0) return;
        notes.Add($"{place}: the broker before it died: nothing shows what may have followed record {line.Seq - 1}"
            + (uncovered > 0 ? $", nor that the {uncovered} records up to there are unchanged." : "."));
        uncoveredSince = null;
    }

    private bool Checkpoint(string place, ChainLine line)
    {
        closed = false;
        if (isKnown && line.Text(ChainFormat.Head) != before!.Hash) Say($"{place}: the checkpoint is for a different record {line.Seq - 1}.");
        if (line.Text(ChainFormat.Signature) is null)
        {
            unsigned++;
            if (keys.Count > 0) Say($"{place}: the checkpoint is not signed.");
        }
        else if (keys.Count > 0)
        {
            if (line.IsSignedBy(keys)) checkpoints++;
            else Say($"{place}: the checkpoint is not signed with this key ({string.Join(", ", keys.Keys)}).");
        }

        if (!Vouches(line)) return false;
        closed = line.Text(ChainFormat.Why) == ChainFormat.Closed;
        Covered();
        return true;
    }

    private void Covered()
    {
        (uncovered, uncoveredStart, uncoveredSince) = (0, false, null);
        (pendingFrom, pendingTo, pendingUntimed) = (null, null, false);
    }

    private void Uncover(string place, ChainLine line)
    {
        closed = false;
        if (line.Has("event") && line.Event is not (ChainFormat.Opened or ChainFormat.Checkpoint or ChainFormat.Resumed))
            Say($"{place}: is of a kind that no broker writes: it was put here.");
        var time = Time(line.Time);
        pendingUntimed |= time is null;
        if (pendingFrom is null || time < pendingFrom) pendingFrom = time;
        if (pendingTo is null || time > pendingTo) pendingTo = time;

        // A broker that died in the middle of many records, and the next, which knows nothing of them.
        uncoveredStart |= line.Event == ChainFormat.Opened && line.Flag(ChainFormat.Started) && uncovered > 0;
        if (++uncovered == (uncoveredStart ? 2 : 1) * MostUncovered + 1) Say($"{place}: {uncovered} records without a checkpoint: some checkpoints were removed.");
        if (line.Event is not null) return;
        uncoveredSince ??= line.Time;
        if (Time(uncoveredSince) is not { } from || time is not { } now || now - from <= WithoutCheckpoint) return;
        Say($"{place}: no checkpoint since {uncoveredSince}: it was removed.");
        uncoveredSince = line.Time;
    }

    private void End(ChainEnd end, IReadOnlyList<string> files)
    {
        if (unreadable is not null && !closed && keys.Count == 0) notes.Add("The last line is incomplete: a broker is writing it, or died while writing it.");
        else Say(unreadable);
        if (records == 0) Say("There are no records.");
        end.Check(ranges, losses, closed, options, Say, notes.Add);
        if (uncovered > 0) Unvouched(files[^1]);
        if (records > 0 && !closed) notes.Add("The broker has not ended this chain: it is still running, or it died.");
        if (unsigned > 0 && keys.Count == 0) notes.Add($"{unsigned} checkpoints are not signed: whoever can write the file could have rewritten all of it.");
        if (keys.Count == 0) notes.Add("Signatures were not verified: no key was given.");
    }

    private void Unvouched(string last)
    {
        var what = $"The last {uncovered} records are not covered by a checkpoint";
        if (keys.Count > 0 && IsOverdue(File.GetLastWriteTimeUtc(last)))
            Say($"{what}, and none came for {WithoutCheckpoint.TotalSeconds} seconds: nothing shows that they are unchanged, or what may have followed them.");
        else
            notes.Add($"{what} yet; nothing shows that they are unchanged, or what may have followed them.");
    }

    // What whoever wrote these records says of their time is not believed where it would excuse them: not that it is still to come, and not what is
    // later than the file.
    private bool IsOverdue(DateTimeOffset writtenAt)
    {
        var now = options.Time.GetUtcNow();
        return pendingUntimed || now - pendingFrom > WithoutCheckpoint || pendingTo - now > WithoutCheckpoint || now - writtenAt > WithoutCheckpoint;
    }

    private static DateTimeOffset? Time(string? text) => DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, out var time) ? time : null;

    private void Say(string? problem)
    {
        if (problem is null || problems.Count > MostProblems) return;
        problems.Add(problems.Count == MostProblems ? "More follow." : problem);
    }
}
