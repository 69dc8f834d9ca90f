using System.Buffers;
using System.Security.Cryptography;
using System.Text;

namespace Broker.Core.Model;

/// <summary>
/// The mark in the name of each user that the broker makes, which distinguishes it from users of another broker on the same server: four
/// characters, the same for all replicas on one ledger. The chance that two brokers have the same mark is one in a million.
/// </summary>
internal static class BrokerMark
{
    /// <summary>RFC 4648's base 32 in lower case: what user names may have on all engines.</summary>
    public const string Alphabet = "abcdefghijklmnopqrstuvwxyz234567";

    private static readonly SearchValues<char> Allowed = SearchValues.Create(Alphabet);

    /// <summary>Characters.</summary>
    public const int Length = 4;

    /// <summary>A new one.</summary>
    public static string New() => RandomNumberGenerator.GetString(Alphabet, Length);

    /// <summary>The mark that is derived from a text.</summary>
    public static string Of(string text) => Digest(text, Length);

    /// <summary>Whether a text is a mark.</summary>
    public static bool Is(string text) => text.Length == Length && !text.AsSpan().ContainsAnyExcept(Allowed);

    /// <summary>The first characters of a text's digest.</summary>
    public static string Digest(string text, int length) =>
        string.Concat(SHA256.HashData(Encoding.UTF8.GetBytes(text)).Take(length).Select(value => Alphabet[value % Alphabet.Length]));
}
