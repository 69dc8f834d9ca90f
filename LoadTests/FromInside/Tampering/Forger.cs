using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace LoadTests.FromInside.Tampering;

/// <summary>
/// What an attacker who knows the format, but not the key, can make: lines that are chained as they have to be. Written from the
/// format's description, not with the broker's own code.
/// </summary>
internal static partial class Forger
{
    public static bool TryRead(byte[] line, out string chain, out long seq, out string hash)
    {
        var match = End().Match(Encoding.Latin1.GetString(line));
        (chain, seq, hash) = match.Success ? (match.Groups[1].Value, long.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture), match.Groups[3].Value) : ("", 0, "");
        return match.Success;
    }

    public static bool Is(byte[] line, string what) => Encoding.Latin1.GetString(line).Contains($"\"event\":\"{what}\"", StringComparison.Ordinal);

    /// <summary>The line with another end: its chain, number, and the hash that follows from the one before.</summary>
    public static byte[] Chained(byte[] line, string chain, long seq, string previous)
    {
        var text = Encoding.Latin1.GetString(line);
        var match = End().Match(text);
        var hashed = Encoding.Latin1.GetBytes($"{(match.Success ? text[..match.Index] : text.TrimEnd('}'))},\"chain\":\"{chain}\",\"seq\":{seq}");
        var hash = Base64Url.EncodeToString(SHA256.HashData([.. Base64Url.DecodeFromChars(previous), .. hashed]));
        return [.. hashed, .. Encoding.Latin1.GetBytes($",\"hash\":\"{hash}\"}}")];
    }

    /// <summary>Chains every line of the chain again from one line on; renumbers them too where that is wanted.</summary>
    public static void Rechain(AuditState state, int from, bool renumber)
    {
        var all = state.Lines.ToList();
        string? chain = null, hash = null;
        long number = 0;
        for (var index = 0; index < all.Count; index++)
        {
            if (!TryRead(all[index], out var itsChain, out var seq, out var itsHash)) continue;
            if (index >= from && hash is not null && itsChain == chain)
            {
                var (lines, at) = state.Find(index);
                lines[at] = Chained(all[index], itsChain, renumber ? number + 1 : seq, hash);
                TryRead(lines[at], out _, out seq, out itsHash);
            }

            (chain, number, hash) = (itsChain, seq, itsHash);
        }
    }

    public static byte[] Line(string json) => Encoding.Latin1.GetBytes(json);

    [GeneratedRegex("""
        ,"chain":"([A-Za-z0-9_-]+)","seq":(\d+),"hash":"([A-Za-z0-9_-]{43})"}\z
        """)]
    private static partial Regex End();
}
