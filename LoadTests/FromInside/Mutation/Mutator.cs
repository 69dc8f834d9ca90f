using System.Globalization;

namespace LoadTests.FromInside.Mutation;

/// <summary>Makes all mutants of a script: one change each.</summary>
internal static class Mutator
{
    private static readonly Dictionary<string, string[]> Instead = new(StringComparer.Ordinal)
    {
        ["<"] = ["<=", ">="],
        ["<="] = ["<", ">"],
        [">"] = [">=", "<="],
        [">="] = [">", "<"],
        ["=="] = ["~="],
        ["~="] = ["=="],
        ["+"] = ["-"],
        ["*"] = ["/"],
        ["/"] = ["*"],
        ["and"] = ["or"],
        ["or"] = ["and"],
        ["not"] = [""],
        ["true"] = ["false"],
        ["false"] = ["true"],
    };

    public static IReadOnlyList<Mutant> Make(string file, string source)
    {
        var tokens = LuaToken.Read(source);
        var mutants = new List<Mutant>();
        for (var i = 0; i < tokens.Count; i++)
        {
            var token = tokens[i];
            foreach (var instead in InsteadOf(tokens, i)) mutants.Add(new(file, token.Line, token.Line, token.Start, token.Text, instead));
        }

        foreach (var (first, last, instead) in Statements.Changes(tokens))
            mutants.Add(new(file, first.Line, last.Line, first.Start, source[first.Start..last.End], instead));
        // `if true then` is true either way.
        return [.. mutants.Where(mutant => mutant.Original != mutant.Replacement).DistinctBy(mutant => (mutant.Start, mutant.Original, mutant.Replacement)).OrderBy(mutant => mutant.Start)];
    }

    private static IEnumerable<string> InsteadOf(IReadOnlyList<LuaToken> tokens, int at)
    {
        var token = tokens[at];
        return token.Kind switch
        {
            LuaKind.Number => OtherNumbers(token.Text),
            LuaKind.Symbol when token.Text == "-" => at > 0 && tokens[at - 1].EndsValue ? ["+"] : [],
            LuaKind.Symbol or LuaKind.Keyword => Instead.GetValueOrDefault(token.Text, []),
            LuaKind.Name when at > 1 && tokens[at - 1].Text == "." && tokens[at - 2].Text == "math" => token.Text switch { "max" => ["min"], "min" => ["max"], _ => [] },
            _ => [],
        };
    }

    private static IEnumerable<string> OtherNumbers(string text)
    {
        if (!double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)) yield break;
        yield return (number + 1).ToString(CultureInfo.InvariantCulture);
        if (number == 1) yield return "0";
    }
}
