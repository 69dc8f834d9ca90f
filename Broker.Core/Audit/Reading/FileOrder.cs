namespace Broker.Core.Audit.Reading;

/// <summary>The order in which files of one replica were written.</summary>
internal static class FileOrder
{
    /// <summary>
    /// Sorted by the number of their first record; where a replica had to begin another chain, that chain's files come after. A file without
    /// a record comes last.
    /// </summary>
    public static IReadOnlyList<string> Of(IReadOnlyCollection<string> files)
    {
        var first = files.Select(file => (File: file, Line: First(file))).ToList();
        return [.. first.GroupBy(static file => file.Line?.Chain, StringComparer.Ordinal)
            .OrderBy(static chain => chain.Key is null).ThenBy(static chain => chain.MinBy(static file => file.Line?.Seq).Line?.Time, StringComparer.Ordinal)
            .SelectMany(static chain => chain.OrderBy(static file => file.Line?.Seq).ThenBy(static file => file.File, StringComparer.Ordinal))
            .Select(static file => file.File)];
    }

    private static ChainLine? First(string file) => AuditLines.Of(file).Select(static line => ChainLine.Parse(line.Bytes)).FirstOrDefault(static line => line is not null);
}
