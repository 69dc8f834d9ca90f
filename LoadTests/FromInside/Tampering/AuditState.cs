using System.Text;

namespace LoadTests.FromInside.Tampering;

/// <summary>The files of an audit and the checkpoint beside them, as whoever can write them sees them.</summary>
/// <param name="Files">Name and lines of each file, in their order, without line feeds.</param>
/// <param name="Head">What stands beside the last file; null: nothing.</param>
internal sealed record AuditState(List<(string Name, List<byte[]> Lines)> Files, byte[]? Head)
{
    /// <summary>All lines, in their order.</summary>
    public IEnumerable<byte[]> Lines => Files.SelectMany(static file => file.Lines);

    public static AuditState Read(string directory) => new(
        [.. Directory.GetFiles(directory, "audit.jsonl*").Where(static file => !file.EndsWith(".head", StringComparison.Ordinal))
            .Select(static file => (Path.GetFileName(file), Split(File.ReadAllBytes(file))))
            // Each record begins with its time. A broker that died as it began a file left half a line at its head, which says nothing of when.
            .OrderBy(static file => Encoding.Latin1.GetString(file.Item2.Find(static line => Forger.TryRead(line, out _, out _, out _)) ?? "~"u8.ToArray()), StringComparer.Ordinal)],
        File.Exists(Path.Combine(directory, "audit.jsonl.head")) ? File.ReadAllBytes(Path.Combine(directory, "audit.jsonl.head")) : null);

    public AuditState Copy() => this with { Files = [.. Files.Select(static file => (file.Name, file.Lines.ToList()))] };

    /// <summary>Writes all of it into an empty directory; answers the audit files.</summary>
    public string[] Write(string directory)
    {
        foreach (var old in Directory.EnumerateFiles(directory)) File.Delete(old);
        foreach (var (name, lines) in Files) File.WriteAllBytes(Path.Combine(directory, name), [.. lines.SelectMany(static line => line.Append((byte)'\n'))]);
        if (Head is not null) File.WriteAllBytes(Path.Combine(directory, "audit.jsonl.head"), Head);
        return [.. Files.Select(file => Path.Combine(directory, file.Name))];
    }

    /// <summary>Which line of which file the nth of all is.</summary>
    public (List<byte[]> Lines, int At) Find(int index)
    {
        foreach (var (_, lines) in Files)
        {
            if (index < lines.Count) return (lines, index);
            index -= lines.Count;
        }

        throw new ArgumentOutOfRangeException(nameof(index));
    }

    public static List<byte[]> Split(byte[] bytes) =>
        [.. Encoding.Latin1.GetString(bytes).Split('\n')[..^1].Select(Encoding.Latin1.GetBytes)];
}
