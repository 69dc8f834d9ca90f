using System.Buffers.Text;
using System.Text;
using System.Text.RegularExpressions;

namespace Broker.Core.Audit.Chain;

/// <summary>
/// A checkpoint that is kept away from the audit, so that truncating both the audit and the checkpoint beside it is detected: a word in the
/// broker's log, or the checkpoint's own line in another sink's copy.
/// </summary>
internal static partial class ChainAnchor
{
    /// <summary>What each of these words begins with.</summary>
    public const string Beginning = "audit-anchor.";

    private static readonly byte[] CheckpointEvent = Encoding.UTF8.GetBytes($"\"event\":\"{ChainFormat.Checkpoint}\"");

    /// <summary>A word without spaces and quotes, which stays intact in any log.</summary>
    public static string Write(ReadOnlySpan<byte> checkpoint) => Beginning + Base64Url.EncodeToString(checkpoint.TrimEnd((byte)'\n'));

    /// <summary>The lines of all checkpoints in a text; whether they are genuine is not checked yet.</summary>
    public static IEnumerable<byte[]> Read(string text)
    {
        foreach (Match word in Word().Matches(text))
        {
            if (Base64Url.IsValid(word.Groups[1].ValueSpan)) yield return Base64Url.DecodeFromChars(word.Groups[1].ValueSpan);
        }

        var start = text.IndexOf("{\"time\":", StringComparison.Ordinal);
        if (start < 0) yield break;
        var line = Encoding.UTF8.GetBytes(text[start..].TrimEnd());
        if (line.AsSpan().IndexOf(CheckpointEvent) >= 0) yield return line;
    }

    [GeneratedRegex("audit-anchor\\.([A-Za-z0-9_-]+)")]
    private static partial Regex Word();
}
