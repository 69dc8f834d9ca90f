using System.Text.RegularExpressions;

namespace Broker.Core.Ledger.Wire;

/// <summary>
/// Leaves out the parts of a script's files that it does not use: Redis and the in-process ledger create every
/// function that a script declares each time it runs, used or not. Lines keep their numbers.
/// </summary>
/// <remarks>
/// A part that is left out is declared at the left margin, has no effect by its declaration, and its name does not appear behind it: a local name
/// cannot be used before it is declared.
/// </remarks>
internal static partial class ScriptNeeds
{
    /// <summary>The script without its unused parts.</summary>
    public static string Of(string script) => Of(PartsOf(script));

    /// <summary>The script that consists of these parts in this order, without its unused parts.</summary>
    public static string Of(IReadOnlyList<ScriptPart> parts)
    {
        var texts = new string[parts.Count];
        var used = new HashSet<string>(StringComparer.Ordinal);
        for (var i = parts.Count - 1; i >= 0; i--)
        {
            var isNeeded = parts[i].Declares.Count == 0 || parts[i].Declares.Any(used.Contains);
            texts[i] = isNeeded ? parts[i].Text : new('\n', parts[i].Text.AsSpan().Count('\n'));
            if (!isNeeded) continue;
            foreach (var name in parts[i].Names) used.Add(name);
        }

        return string.Concat(texts);
    }

    /// <summary>A text's lines one after the other: a declaration without other effect is one part, and each other line is one.</summary>
    public static IReadOnlyList<ScriptPart> PartsOf(string text)
    {
        var lines = text.Split('\n');
        var code = Array.ConvertAll(lines, WithoutComment);
        var parts = new List<ScriptPart>(lines.Length);
        for (var i = 0; i < code.Length; i++)
        {
            var (first, declares) = (i, Array.Empty<string>());
            if (Function().Match(code[i]) is { Success: true } function)
            {
                if (!code[i].EndsWith(" end", StringComparison.Ordinal)) i = EndOf(code, i);
                declares = [function.Groups[1].Value];
            }
            else if (Constant().Match(code[i]) is { Success: true } constant)
            {
                declares = constant.Groups[1].Value.Split(", ");
            }
            else if (Announced().IsMatch(code[i]) && i + 1 < code.Length && code[i + 1] == "do" && EndOf(code, i + 1) is var end && IsOnlyDeclared(code[(i + 2)..end]))
            {
                declares = code[i]["local ".Length..].Split(", ");
                i = end;
            }

            parts.Add(new(string.Join('\n', lines[first..(i + 1)]) + (i + 1 < lines.Length ? "\n" : ""), declares, NamesIn(code.AsSpan(first..(i + 1)))));
        }

        return parts;
    }

    private static string[] NamesIn(ReadOnlySpan<string> code)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        var known = names.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach (var line in code)
        {
            foreach (var name in Name().EnumerateMatches(line)) known.Add(line.AsSpan(name.Index, name.Length));
        }

        return [.. names];
    }

    private static int EndOf(string[] code, int from) => Array.IndexOf(code, "end", from);

    // A line directly in a block, not deeper.
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

/// <summary>A part of a script that is left out whole or not at all.</summary>
/// <param name="Text">Its lines.</param>
/// <param name="Declares">The names that it declares, if it does nothing else; none: it is never left out.</param>
/// <param name="Names">All names in it, each once.</param>
internal sealed record ScriptPart(string Text, IReadOnlyList<string> Declares, IReadOnlyList<string> Names);
