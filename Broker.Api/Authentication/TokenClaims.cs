using System.Collections;

namespace Broker.Api.Authentication;

/// <summary>
/// A compact form of a token's claims, because tens of thousands of mostly similar tokens are remembered at once: the names
/// are kept once for all tokens with the same names, and strings that many tokens have are shared.
/// </summary>
internal sealed class TokenClaims : ILookup<string, string>
{
    private const int SharedTexts = 1024;
    private static readonly string?[] Shared = new string?[SharedTexts];
    private static volatile string[] lastNames = [];

    private readonly string[] names; // sorted
    private readonly object[] values; // a string, or an array where a claim has several

    public TokenClaims(IEnumerable<(string Name, string Value)> claims)
    {
        var groups = claims.GroupBy(claim => claim.Name, claim => OneOf(claim.Value), StringComparer.Ordinal).OrderBy(group => group.Key, StringComparer.Ordinal).ToList();
        var last = lastNames;
        names = groups.Select(group => group.Key).SequenceEqual(last, StringComparer.Ordinal) ? last : lastNames = [.. groups.Select(group => OneOf(group.Key))];
        values = [.. groups.Select(group => group.ToArray() is [var one] ? (object)one : group.ToArray())];
    }

    public int Count => names.Length;

    public IEnumerable<string> this[string key] => Array.BinarySearch(names, key, StringComparer.Ordinal) is >= 0 and var at ? ValuesAt(at) : [];

    public bool Contains(string key) => Array.BinarySearch(names, key, StringComparer.Ordinal) >= 0;

    public IEnumerator<IGrouping<string, string>> GetEnumerator() =>
        names.Select((name, at) => (IGrouping<string, string>)new Claim(name, ValuesAt(at))).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>An equal string that was seen lately, if one is still known; each slot keeps only its last string, so the table never grows.</summary>
    public static string OneOf(string text)
    {
        ref var place = ref Shared[(uint)text.GetHashCode(StringComparison.Ordinal) % SharedTexts];
        var known = Volatile.Read(ref place);
        if (known == text) return known;
        Volatile.Write(ref place, text);
        return text;
    }

    private string[] ValuesAt(int at) => values[at] is string one ? [one] : (string[])values[at];

    private sealed record Claim(string Key, string[] Values) : IGrouping<string, string>
    {
        public IEnumerator<string> GetEnumerator() => Values.AsEnumerable().GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
