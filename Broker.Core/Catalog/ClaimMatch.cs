using System.Diagnostics.CodeAnalysis;

namespace Broker.Core.Catalog;

/// <summary>What a claim must be: one string, any of several, or anything that begins with a string.</summary>
public sealed record ClaimMatch
{
    // Characters that a prefix may end with: in the middle of a word it would match more than it seems to ("octo*" also matches "octopus/…").
    private const string Separators = "/:.-_@|";

    private readonly string[] values;

    private ClaimMatch(string[] values, bool isPrefix) => (this.values, IsPrefix) = (values, isPrefix);

    /// <summary>Whether the string is a prefix.</summary>
    public bool IsPrefix { get; }

    /// <summary>The string, or the strings.</summary>
    public IReadOnlyList<string> Values => values;

    /// <summary>Matches exactly this string.</summary>
    public static ClaimMatch Exactly(string value) => new([value], isPrefix: false);

    /// <summary>Matches any of these strings.</summary>
    public static ClaimMatch AnyOf(IEnumerable<string> values) => new([.. values], isPrefix: false);

    /// <summary>Parses a string: with a <c>*</c> at its end it is a prefix. When false, <paramref name="why"/> says what is wrong.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out ClaimMatch? match, [NotNullWhen(false)] out string? why)
    {
        (match, why) = (null, null);
        var star = text.IndexOf('*', StringComparison.Ordinal);
        if (star < 0) match = Exactly(text);
        else if (star < text.Length - 1) why = "has a * that is not at the end.";
        else if (text.Length == 1) why = "is only *: everybody with such a claim would be let in.";
        else if (!Separators.Contains(text[^2], StringComparison.Ordinal)) why = "is a prefix that ends in the middle of a word, and would match longer words too.";
        else match = new([text[..^1]], isPrefix: true);
        return match is not null;
    }

    /// <summary>Whether one of a claim's values matches.</summary>
    public bool Matches(IEnumerable<string> claim)
    {
        foreach (var value in claim)
        {
            if (IsPrefix ? value.StartsWith(values[0], StringComparison.Ordinal) : Array.IndexOf(values, value) >= 0) return true;
        }

        return false;
    }

    /// <inheritdoc/>
    public bool Equals(ClaimMatch? other) => other is not null && IsPrefix == other.IsPrefix && values.AsSpan().SequenceEqual(other.values);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(IsPrefix, values.Length, values[0]);

    /// <summary>As it is written in the configuration.</summary>
    public override string ToString() => IsPrefix ? values[0] + "*" : values.Length == 1 ? values[0] : $"one of {string.Join(", ", values)}";
}
