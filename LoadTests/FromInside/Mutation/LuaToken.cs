using System.Text.RegularExpressions;

namespace LoadTests.FromInside.Mutation;

/// <summary>What a token of a Lua script is.</summary>
internal enum LuaKind
{
    Name,
    Keyword,
    Number,
    Text,
    Symbol,
}

/// <summary>A token of a Lua script.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">As it is written.</param>
/// <param name="Start">Where it begins in the script.</param>
/// <param name="Line">The line on which it begins, from 1.</param>
internal sealed partial record LuaToken(LuaKind Kind, string Text, int Start, int Line)
{
    private static readonly HashSet<string> Keywords =
    [
        "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if", "in", "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while",
    ];

    public int End => Start + Text.Length;

    /// <summary>Whether a value may end with it: what follows is an operator between two values, or begins another statement.</summary>
    public bool EndsValue => Kind switch
    {
        LuaKind.Keyword => Text is "end" or "nil" or "true" or "false",
        LuaKind.Symbol => Text is ")" or "]" or "}" or "...",
        _ => true,
    };

    /// <summary>The script's tokens, without comments.</summary>
    /// <exception cref="FormatException">There is something in it that is not Lua.</exception>
    public static IReadOnlyList<LuaToken> Read(string script)
    {
        var tokens = new List<LuaToken>();
        int at = 0, line = 1;
        while (at < script.Length)
        {
            var match = Next().Match(script, at);
            if (!match.Success) throw new FormatException($"Line {line} has '{script[at]}', which begins nothing in Lua.");
            if (KindOf(match) is { } kind) tokens.Add(new(kind, match.Value, at, line));
            line += match.Value.AsSpan().Count('\n');
            at += match.Length;
        }

        return tokens;
    }

    private static LuaKind? KindOf(Match match) =>
        match.Groups["name"].Success ? Keywords.Contains(match.Value) ? LuaKind.Keyword : LuaKind.Name
        : match.Groups["number"].Success ? LuaKind.Number
        : match.Groups["text"].Success ? LuaKind.Text
        : match.Groups["symbol"].Success ? LuaKind.Symbol
        : null;

    [GeneratedRegex(
        """
        \G(?: \s+ | --\[(?<c>=*)\[ .*? \]\k<c>\] | --[^\n]*
        | (?<text> \[(?<t>=*)\[ .*? \]\k<t>\] | "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' )
        | (?<number> 0[xX][0-9a-fA-F]+ | (?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)? )
        | (?<name> [A-Za-z_][A-Za-z_0-9]* )
        | (?<symbol> \.\.\. | \.\. | == | ~= | <= | >= | [-+*/%^\#<>=(){}[\];:,.] ) )
        """,
        RegexOptions.Singleline | RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex Next();
}
