using System.Collections.Frozen;
using System.Text.Json;

namespace Broker.Core.Model;

/// <summary>
/// How a word of a closed list is written outside the program (problems, audit, metric tags):
/// <c>RefusalCode.BudgetExhausted</c> is <c>budget-exhausted</c>.
/// </summary>
public static class WireName
{
    /// <summary>The word in kebab-case. No allocation.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not on the list.</exception>
    public static string Of<TWord>(TWord word) where TWord : struct, Enum =>
        Names<TWord>.All.TryGetValue(word, out var name)
            ? name
            : throw new ArgumentOutOfRangeException(nameof(word), word, $"Not a {typeof(TWord).Name}.");

    private static class Names<TWord> where TWord : struct, Enum
    {
        public static readonly FrozenDictionary<TWord, string> All = Enum.GetValues<TWord>()
            .ToFrozenDictionary(word => word, word => JsonNamingPolicy.KebabCaseLower.ConvertName(word.ToString()));
    }
}
