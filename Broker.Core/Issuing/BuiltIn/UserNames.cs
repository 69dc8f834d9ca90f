using System.Buffers;
using System.Security.Cryptography;
using Broker.Core.Model;

namespace Broker.Core.Issuing.BuiltIn;

/// <summary>
/// The names of the users that the broker creates: <c>b-&lt;role&gt;-&lt;16 random characters&gt;</c>, so that a DBA sees whose they
/// are, and so that the users of one role can be found again. Of the sixteen characters, the first four are the mark of the broker that created the user, and the
/// last three its check digits: earlier versions chose all sixteen at random.
/// </summary>
public static class UserNames
{
    private const string Start = "b-";
    private const int RandomLength = 16;
    private const int RoleLength = 20;
    private const int DigestLength = 6;
    private const int CheckLength = 3;

    /// <summary>RFC 4648's base 32 in lower case. It has no dash, so prefixes end clearly.</summary>
    private const string Alphabet = BrokerMark.Alphabet;

    private static readonly SearchValues<char> RandomCharacters = SearchValues.Create(Alphabet);

    /// <summary>
    /// The prefix of all user names of a role, which never changes. A role name longer than 20 characters (or than the engine
    /// has room for) is cut, and a digest keeps it distinct.
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
        return $"{Start}{role[..(room - DigestLength - 1)]}-{BrokerMark.Digest(role, DigestLength)}-";
    }

    /// <summary>A new, unique name for a role's user.</summary>
    public static string New(string role, int maxLength) => Prefix(role, maxLength) + RandomNumberGenerator.GetString(Alphabet, RandomLength);

    /// <summary>The same name with a broker's mark in it; 45 random bits are left.</summary>
    /// <param name="username">A name from <see cref="New"/>.</param>
    /// <param name="mark">The mark (<see cref="BrokerMark"/>).</param>
    internal static string Marked(string username, string mark)
    {
        var tail = mark + username[^(RandomLength - mark.Length)..^CheckLength];
        return username[..^RandomLength] + tail + BrokerMark.Digest(tail, CheckLength);
    }

    /// <summary>The mark in a user's name; null: there is none, as in one made by a broker of an earlier version (or, once in 30,000 of those, wrongly not null).</summary>
    internal static string? MarkOf(string username) =>
        username.Length > RandomLength && username[^RandomLength..] is var tail && BrokerMark.Digest(tail[..^CheckLength], CheckLength) == tail[^CheckLength..]
            ? tail[..BrokerMark.Length]
            : null;

    /// <summary>Whether a user belongs to this role, and not to a role whose name merely begins with this one's.</summary>
    public static bool IsOf(string username, string role, int maxLength)
    {
        var prefix = Prefix(role, maxLength);
        return username.Length == prefix.Length + RandomLength
            && username.StartsWith(prefix, StringComparison.Ordinal)
            && !username.AsSpan(prefix.Length).ContainsAnyExcept(RandomCharacters);
    }
}
