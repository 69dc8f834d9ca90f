using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;

namespace Broker.Core.Audit;

/// <summary>Cuts texts by the bytes that they take in a line, whatever letters they are made of: a control character takes six.</summary>
internal static class AuditText
{
    private const int MostOfALetter = 6;

    // Most texts are ids and names of these alone: looking for others costs less than encoding them, in every line of a claim.
    private static readonly SearchValues<char> OfOneByte = SearchValues.Create([.. Enumerable.Range(' ', '~' - ' ' + 1).Select(static letter => (char)letter).Except(['"', '\\'])]);

    private static readonly JavaScriptEncoder Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;

    /// <summary>The text if it takes no more than these bytes (at most 1,024); otherwise its beginning that does, and <c>…</c> behind it.</summary>
    public static string Within(string text, int most)
    {
        if (text.Length <= most / MostOfALetter || (text.Length <= most && !text.AsSpan().ContainsAnyExcept(OfOneByte))) return text;

        // Each letter takes a byte at least: nothing behind so many can stay. A pair of surrogates is not cut in half.
        var begun = text.AsSpan(0, Math.Min(text.Length, most));
        if (begun.Length < text.Length && char.IsHighSurrogate(begun[^1])) begun = begun[..^1];
        Span<byte> plain = stackalloc byte[3 * most];
        plain = plain[..Encoding.UTF8.GetBytes(begun, plain)];
        Span<byte> encoded = stackalloc byte[most];
        Encoder.EncodeUtf8(plain, encoded, out var taken, out _);
        if (taken < plain.Length || begun.Length < text.Length) return string.Concat(Encoding.UTF8.GetString(plain[..taken]), "…");

        // Half a letter became one that takes less than what the writer would make of it.
        return plain.IndexOf("\uFFFD"u8) < 0 ? text : Encoding.UTF8.GetString(plain);
    }
}
