using Broker.Core.Audit.Reading;

namespace LoadTests.FromInside.Tampering;

/// <summary>
/// What cannot be known from the files alone (docs/security.md has the list): it is exactly what a broker itself could have
/// left, earlier or beside. Everything else has to be found.
/// </summary>
internal static class Unknowable
{
    /// <summary>The reason why nothing can be found; null: something has to be.</summary>
    public static string? Why(AuditState state, AuditState own, AuditState other, IReadOnlyCollection<byte[]> anchors)
    {
        foreach (var (audit, isOwn) in new[] { (own, true), (other, false) })
        {
            if (Slice(state, audit, anchors) is { } slice)
                return (isOwn, slice.FromStart, slice.ToEnd) switch
                {
                    (true, true, true) => "nothing is changed",
                    (true, true, false) => "an earlier state, whole",
                    (true, false, true) => "the oldest files are gone",
                    (true, false, false) => "an earlier state, and the oldest files are gone",
                    _ => "another replica's, whole",
                };
        }

        return null;
    }

    private static (bool FromStart, bool ToEnd)? Slice(AuditState state, AuditState genuine, IReadOnlyCollection<byte[]> anchors)
    {
        var all = Readable(genuine.Lines);
        var lines = Readable(InOrder(state, all));
        if (lines.Count == 0 || lines.Count > all.Count) return null;
        var from = all.FindIndex(line => line.AsSpan().SequenceEqual(lines[0]));
        if (from < 0 || from + lines.Count > all.Count) return null;
        for (var index = 0; index < lines.Count; index++)
        {
            if (!lines[index].AsSpan().SequenceEqual(all[from + index])) return null;
        }

        // The front can be missing up to where a file begins, as when the oldest are dropped.
        if (from > 0 && !System.Text.Encoding.Latin1.GetString(all[from]).Contains("\"newFile\":true", StringComparison.Ordinal)) return null;
        // The end has to be a checkpoint, and the one beside it too; a broker that died may have been one behind.
        if (!Forger.Is(lines[^1], "checkpoint") || state.Head is not { } head) return null;
        var checkpoints = lines.Where(static line => Forger.Is(line, "checkpoint")).Reverse().Take(2).ToList();
        var closed = System.Text.Encoding.Latin1.GetString(lines[^1]).Contains("\"why\":\"closed\"", StringComparison.Ordinal);
        if (!checkpoints.Take(closed ? 1 : 2).Any(line => line.AsSpan().SequenceEqual(head.AsSpan().TrimEnd((byte)'\n')))) return null;
        if (anchors.Any(anchor => !lines.Any(line => line.AsSpan().SequenceEqual(anchor)) && !all.Take(from).Any(line => line.AsSpan().SequenceEqual(anchor)))) return null;
        return (from == 0, from + lines.Count == all.Count);
    }

    // Names of files say nothing: whoever reads them puts them in the order of what is in them.
    private static IEnumerable<byte[]> InOrder(AuditState state, List<byte[]> all) => state.Files
        .Select(static file => (file.Lines, First: file.Lines.Find(static line => Forger.TryRead(line, out _, out _, out _))))
        .OrderBy(file => file.First is null ? int.MaxValue : all.FindIndex(line => line.AsSpan().SequenceEqual(file.First)))
        .SelectMany(static file => file.Lines);

    // Half a line that a broker left when it died is nobody's record: where the chain says that there was one, it may be anything.
    private static List<byte[]> Readable(IEnumerable<byte[]> lines)
    {
        List<byte[]> readable = [];
        byte[]? half = null;
        foreach (var line in lines)
        {
            var isLine = Forger.TryRead(line, out _, out _, out _);
            if (half is not null && !(isLine && System.Text.Encoding.Latin1.GetString(line).Contains("\"torn\":true", StringComparison.Ordinal))) readable.Add(half);
            half = isLine ? null : line;
            if (isLine) readable.Add(line);
        }

        if (half is not null) readable.Add(half);
        return readable;
    }
}
