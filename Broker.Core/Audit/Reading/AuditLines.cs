namespace Broker.Core.Audit.Reading;

/// <summary>The lines of a file as bytes: only a line feed ends a line, and nothing is decoded, dropped or repaired.</summary>
internal static class AuditLines
{
    /// <summary>The longest line of the broker, in bytes; a longer one is returned in pieces, none of which is a line of a chain.</summary>
    private const int LongestLine = 1024 * 1024;

    /// <summary>All lines without their line feeds, and whether each had one.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static IEnumerable<(byte[] Bytes, bool IsWhole)> Of(string file)
    {
        using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 64 * 1024, FileOptions.SequentialScan);
        var buffer = new byte[64 * 1024];
        var filled = 0;
        while (true)
        {
            var read = stream.Read(buffer, filled, buffer.Length - filled);
            if (read == 0) break;
            filled += read;
            var start = 0;
            while (Array.IndexOf(buffer, (byte)'\n', start, filled - start) is var end and >= 0)
            {
                yield return (buffer[start..end], true);
                start = end + 1;
            }

            filled -= start;
            Buffer.BlockCopy(buffer, start, buffer, 0, filled);
            if (filled < buffer.Length) continue;
            if (filled < LongestLine)
            {
                Array.Resize(ref buffer, buffer.Length * 2);
                continue;
            }

            yield return (buffer[..filled], false);
            filled = 0;
        }

        if (filled > 0) yield return (buffer[..filled], false);
    }
}
