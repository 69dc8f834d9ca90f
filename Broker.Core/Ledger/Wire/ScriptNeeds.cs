using System.Text.RegularExpressions;

namespace Broker.Core.Ledger.Wire;

/// <summary>
/// Leaves out of a script what it does not use of the files that it is put together from: Redis and the in-process ledger make every
/// function that a script declares anew each time it runs, used or not. Lines keep their numbers.
/// </summary>
/// <remarks>
/// What is left out is declared at the left margin, does nothing by being declared, and its name stands nowhere behind it: a local name
/// cannot be used before it is declared.
/// </remarks>
internal static partial class ScriptNeeds
{
    /// <summary>The script without what it does not use.</summary>
    public static string Of(string script)
    {
        var lines = script.Split('\n');
        var code = Array.ConvertAll(lines, WithoutComment);
        var used = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (first, last, names) in Parts(code).Reverse())
        {
            if (names.Length > 0 && !Array.Exists(names, used.Contains))
            {
                Array.Fill(lines, "", first, last - first + 1);
                continue;
            }

            for (var i = first; i <= last; i++) used.UnionWith(Name().Matches(code[i]).Select(static name => name.Value));
        }

        return string.Join('\n', lines);
    }

    // The lines one after the other: what declares names and does nothing else, with the names, and each other line by itself.
    private static IEnumerable<(int First, int Last, string[] Names)> Parts(string[] code)
    {
        for (var i = 0; i < code.Length; i++)
        {
            var (first, names) = (i, Array.Empty<string>());
            if (Function().Match(code[i]) is { Success: true } function)
            {
                if (!code[i].EndsWith(" end", StringComparison.Ordinal)) i = EndOf(code, i);
                names = [function.Groups[1].Value];
            }
            else if (Constant().Match(code[i]) is { Success: true } constant)
            {
                names = constant.Groups[1].Value.Split(", ");
            }
            else if (Announced().IsMatch(code[i]) && i + 1 < code.Length && code[i + 1] == "do" && EndOf(code, i + 1) is var end && IsOnlyDeclared(code[(i + 2)..end]))
            {
                names = code[i]["local ".Length..].Split(", ");
                i = end;
            }

            yield return (first, i, names);
        }
    }

    private static int EndOf(string[] code, int from) => Array.IndexOf(code, "end", from);

    // Of what stands in a block by itself, not deeper.
    private static bool IsOnlyDeclared(string[] block) =>
        Array.TrueForAll(block, static line => line.Length == 0 || line.StartsWith("   ", StringComparison.Ordinal) || InBlock().IsMatch(line));

    // Two hyphens behind an opened quotation mark are text.
    private static string WithoutComment(string line)
    {
        for (var at = line.IndexOf("--", StringComparison.Ordinal); at >= 0; at = line.IndexOf("--", at + 1, StringComparison.Ordinal))
        {
            if (line.AsSpan(0, at).Count('\'') % 2 == 0 && line.AsSpan(0, at).Count('"') % 2 == 0) return line[..at].TrimEnd();
        }

        return line.TrimEnd();
    }

    [GeneratedRegex(@"^local function (\w+)\(")]
    private static partial Regex Function();

    [GeneratedRegex(@"^local (\w+(?:, \w+)*) = (?:'[^'\\]*'|[\d.]+|true|false|nil|[{}, ])+$")]
    private static partial Regex Constant();

    [GeneratedRegex(@"^local \w+(, \w+)*$")]
    private static partial Regex Announced();

    [GeneratedRegex(@"^  (function \w+\(|local function \w+\(|end$|local \w+(, \w+)*( = ('[^'\\]*'|[\d.]+|true|false|nil|[{}, ])+)?$)")]
    private static partial Regex InBlock();

    // Not behind a dot, unless that joins texts: a field's name is no name of the script's.
    [GeneratedRegex(@"(?<![\w]|(?<!\.)\.)[A-Za-z_]\w*")]
    private static partial Regex Name();
}
