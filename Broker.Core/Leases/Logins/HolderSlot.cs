using System.Security.Cryptography;
using System.Text;
using Broker.Core.Identity;

namespace Broker.Core.Leases.Logins;

/// <summary>
/// A text that all holders of a lease share except for their names (<see cref="HolderName"/>): the name's place is marked with a string
/// that nobody can guess, so that no password or name contains it. Formats differ only in whether a slash is escaped.
/// </summary>
public sealed class HolderSlot
{
    private readonly byte[] text;
    private readonly (int At, bool Escaped)[] slots;

    private HolderSlot(byte[] text, (int At, bool Escaped)[] slots) => (this.text, this.slots) = (text, slots);

    /// <summary>The placeholder for a holder's name.</summary>
    public static string Mark { get; } = $"h{RandomNumberGenerator.GetHexString(24)}/{RandomNumberGenerator.GetHexString(24)}h";

    private static string EscapedMark { get; } = Mark.Replace("/", "%2F", StringComparison.Ordinal);

    /// <summary>Reads a text with marks in it.</summary>
    public static HolderSlot Of(ReadOnlySpan<byte> marked)
    {
        var (raw, escaped) = (Encoding.ASCII.GetBytes(Mark), Encoding.ASCII.GetBytes(EscapedMark));
        var (text, slots) = (new List<byte>(marked.Length), new List<(int, bool)>());
        for (var i = 0; i < marked.Length;)
        {
            var rest = marked[i..];
            var (isRaw, isEscaped) = (rest.StartsWith(raw), rest.StartsWith(escaped));
            if (isRaw || isEscaped)
            {
                slots.Add((text.Count, isEscaped));
                i += isEscaped ? escaped.Length : raw.Length;
            }
            else
            {
                text.Add(marked[i++]);
            }
        }

        return new([.. text], [.. slots]);
    }

    /// <summary>The most bytes it has with a name in it.</summary>
    public int Longest => text.Length + slots.Length * HolderName.Longest * 3;

    /// <summary>Writes it with a holder's name.</summary>
    /// <returns>How many bytes it has.</returns>
    /// <param name="caller">The caller as people know it.</param>
    /// <param name="holder">The holder's id.</param>
    /// <param name="to">At least <see cref="Longest"/> bytes.</param>
    public int Write(string caller, string holder, Span<byte> to)
    {
        Span<byte> name = stackalloc byte[HolderName.Longest];
        Span<byte> escaped = stackalloc byte[HolderName.Longest * 3];
        name = name[..HolderName.Write(caller, holder, name)];
        var escapedLength = 0;
        foreach (var letter in name)
        {
            if (letter == (byte)'/')
            {
                "%2F"u8.CopyTo(escaped[escapedLength..]);
                escapedLength += 3;
            }
            else
            {
                escaped[escapedLength++] = letter;
            }
        }

        escaped = escaped[..escapedLength];
        var (from, length) = (0, 0);
        foreach (var (at, isEscaped) in slots)
        {
            Append(text.AsSpan(from, at - from), to, ref length);
            Append(isEscaped ? escaped : name, to, ref length);
            from = at;
        }

        Append(text.AsSpan(from), to, ref length);
        return length;
    }

    private static void Append(ReadOnlySpan<byte> part, Span<byte> to, ref int length)
    {
        part.CopyTo(to[length..]);
        length += part.Length;
    }
}
