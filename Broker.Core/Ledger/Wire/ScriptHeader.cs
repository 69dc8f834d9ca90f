using System.Text;
using System.Text.RegularExpressions;

namespace Broker.Core.Ledger.Wire;

/// <summary>
/// The header of a decision's script, which declares its question and its answer. It is generated from the C# types,
/// and a script whose header, uses or answers differ from them is refused when the program starts.
/// </summary>
internal static partial class ScriptHeader
{
    private const int Width = 130;

    /// <summary>The header's lines, as the script must contain them.</summary>
    public static string Of(WireShape asked, WireShape answer)
    {
        var lines = new StringBuilder();
        Add($"-- asked:   {(asked.Fields.Count > 0 ? FieldsOf(asked) : "nothing")}");
        AddGroups(asked);
        Add($"-- answers: {AlternativesOf(answer)}");
        foreach (var kind in answer.Kinds.Prepend(answer)) AddGroups(kind);
        return lines.ToString().TrimEnd('\n');

        void AddGroups(WireShape shape)
        {
            foreach (var group in shape.Groups) Add($"--   {group.Name}: {AlternativesOf(group.Items!)}");
        }

        void Add(string line)
        {
            while (line.Length > Width)
            {
                var cut = line.LastIndexOf(' ', Width);
                lines.Append(line, 0, cut).Append('\n');
                line = "--     " + line[(cut + 1)..];
            }

            lines.Append(line).Append('\n');
        }
    }

    /// <summary>Checks a script against its types.</summary>
    /// <exception cref="InvalidOperationException">It differs.</exception>
    public static void Check(string name, string script, WireShape asked, WireShape answer)
    {
        var header = Of(asked, answer);
        if (!script.Contains(header + "\n", StringComparison.Ordinal)) throw Wrong(name, $"its header must be\n{header}");
        if (Positions().Match(script) is { Success: true } bare) throw Wrong(name, $"it reads {bare.Value}; use the named fields of 'asked'");

        var used = Asked().Matches(script).Select(use => use.Groups[1].Value).ToHashSet(StringComparer.Ordinal);
        var declared = asked.Fields.Select(field => field.Name).ToHashSet(StringComparer.Ordinal);
        if (used.FirstOrDefault(use => !declared.Contains(use)) is { } unknown) throw Wrong(name, $"it uses asked.{unknown}, which is not declared");
        if (declared.FirstOrDefault(field => !used.Contains(field)) is { } unused) throw Wrong(name, $"it declares asked.{unused} and never uses it");

        foreach (var shape in answer.Kinds.Count > 0 ? answer.Kinds : [answer]) CheckAnswers(name, script, answer.Kinds.Count > 0 ? $"answer.{shape.Kind}" : "answer", shape);
        foreach (var group in answer.Groups)
            foreach (var kind in group.Items!.Kinds) CheckAnswers(name, script, $"{ScriptPrelude.SayerOf(group)}.{kind.Kind}", kind);
    }

    // If an answer is written out in braces, its names are exactly the declared ones.
    private static void CheckAnswers(string name, string script, string sayer, WireShape shape)
    {
        var declared = shape.Fields.Select(field => field.Name).Order(StringComparer.Ordinal).ToArray();
        foreach (Match use in Regex.Matches(script, $@"(?<![\w.]){Regex.Escape(sayer)}\s*\{{"))
        {
            var given = NamesIn(script, use.Index + use.Length).Order(StringComparer.Ordinal).ToArray();
            if (!given.SequenceEqual(declared)) throw Wrong(name, $"{sayer} has {string.Join(", ", given)}; declared is {string.Join(", ", declared)}");
        }
    }

    // The names of a table's own fields: "name =" outside of brackets in it.
    private static IEnumerable<string> NamesIn(string script, int from)
    {
        for (var (at, depth) = (from, 0); depth >= 0 && at < script.Length; at++)
        {
            if (script[at] is '{' or '(') depth++;
            else if (script[at] is '}' or ')') depth--;
            else if (depth == 0 && Named().Match(script, at) is { Success: true } named && !char.IsLetterOrDigit(script[at - 1]) && script[at - 1] is not ('_' or '.'))
                yield return named.Groups[1].Value;
        }
    }

    private static string FieldsOf(WireShape shape) => string.Join(", ", shape.Fields.Select(ShownOf));

    private static string AlternativesOf(WireShape shape)
    {
        if (shape.Type.IsEnum) return string.Join(" | ", Enum.GetNames(shape.Type).Select(WireShape.NameOf));
        return shape.Kinds.Count == 0
            ? FieldsOf(shape)
            : string.Join(" | ", shape.Kinds.Select(kind => kind.Fields.Count == 0 ? kind.Kind : $"{kind.Kind} ({FieldsOf(kind)})"));
    }

    private static string ShownOf(WireField field)
    {
        if (field.Items is { } items) return items.IsSingle ? $"{field.Name} …" : $"{field.Name} {{…}}";
        return field.Name + (field.IsNullable ? "?" : "") + (field.Word.Length > 0 ? ": " + field.Word : "");
    }

    private static InvalidOperationException Wrong(string name, string what) => new($"The ledger's script {name}.lua does not agree with its C# types: {what}.");

    [GeneratedRegex(@"\b(ARGV|KEYS)\b")]
    private static partial Regex Positions();

    [GeneratedRegex(@"\basked\.(\w+)")]
    private static partial Regex Asked();

    [GeneratedRegex(@"\G(\w+)\s*=(?!=)")]
    private static partial Regex Named();
}
