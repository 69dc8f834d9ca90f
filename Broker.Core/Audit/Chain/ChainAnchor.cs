using System.Buffers.Text;
using System.Text;
using System.Text.RegularExpressions;

namespace Broker.Core.Audit.Chain;

/// <summary>
/// A checkpoint where the audit is not, so that a cut of the audit and of the checkpoint beside it is found: a word in the
/// broker's log, or the checkpoint's own line in whatever another sink has kept.
/// </summary>
internal static partial class ChainAnchor
{
    private static readonly byte[] CheckpointEvent = Encoding.UTF8.GetBytes($"\"event\":\"{ChainFormat.Checkpoint}\"");

    /// <summary>A word without spaces and quotes, that stays one in any log.</summary>
    public static string Write(ReadOnlySpan<byte> checkpoint) => "audit-anchor." + Base64Url.EncodeToString(checkpoint.TrimEnd((byte)'\n'));

    /// <summary>Every checkpoint's line in a text; nothing says yet that it is genuine.</summary>
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
