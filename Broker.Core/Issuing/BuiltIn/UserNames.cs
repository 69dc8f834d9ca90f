using System.Buffers;
using System.Security.Cryptography;
using System.Text;

namespace Broker.Core.Issuing.BuiltIn;

/// <summary>
/// The names of the users the broker makes: <c>b-&lt;role&gt;-&lt;16 random characters&gt;</c>, so that a DBA sees whose they
/// are, and so that those of one role can be found again.
/// </summary>
public static class UserNames
{
    private const string Start = "b-";
    private const int RandomLength = 16;
    private const int RoleLength = 20;
    private const int DigestLength = 6;

    /// <summary>RFC 4648's base 32 in lower case: 16 of them are 80 random bits. It has no dash, so prefixes end clearly.</summary>
    private const string Alphabet = "abcdefghijklmnopqrstuvwxyz234567";

    private static readonly SearchValues<char> RandomCharacters = SearchValues.Create(Alphabet);

    /// <summary>
    /// What the names of all users of a role begin with, the same for ever. A role longer than 20 characters (or than the engine
    /// has room for) is cut and told from its like by a digest.
    /// </summary>
    /// <param name="role">The role's name.</param>
    /// <param name="maxLength">The engine's longest user name, at least 32.</param>
    public static string Prefix(string role, int maxLength)
    {
        ArgumentException.ThrowIfNullOrEmpty(role);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxLength, 32);
        var room = Math.Min(RoleLength, maxLength - Start.Length - 1 - RandomLength);
        if (role.Length <= room)
            return $"{Start}{role}-";
        var digest = SHA256.HashData(Encoding.UTF8.GetBytes(role)).Take(DigestLength).Select(value => Alphabet[value % Alphabet.Length]);
        return $"{Start}{role[..(room - DigestLength - 1)]}-{string.Concat(digest)}-";
    }

    /// <summary>A new name for a role's user; no two are the same.</summary>
    public static string New(string role, int maxLength) => Prefix(role, maxLength) + RandomNumberGenerator.GetString(Alphabet, RandomLength);

    /// <summary>Whether a user is one of this role's, and not of a role whose name goes on where this one's ends.</summary>
    public static bool IsOf(string username, string role, int maxLength)
    {
        var prefix = Prefix(role, maxLength);
        return username.Length == prefix.Length + RandomLength
            && username.StartsWith(prefix, StringComparison.Ordinal)
            && !username.AsSpan(prefix.Length).ContainsAnyExcept(RandomCharacters);
    }
}
