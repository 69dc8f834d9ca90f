namespace LoadTests.FromInside.Mutation;

/// <summary>Changes of whole statements: conditions that always or never hold, calls that are not made, early returns that do not return.</summary>
internal static class Statements
{
    /// <summary>Each change: from which token to which, and what is written there instead.</summary>
    public static IEnumerable<(LuaToken First, LuaToken Last, string Instead)> Changes(IReadOnlyList<LuaToken> tokens)
    {
        var blocks = new Stack<string>();
        var brackets = 0;
        for (var i = 0; i < tokens.Count; i++)
        {
            var text = tokens[i].Kind is LuaKind.Text ? "" : tokens[i].Text;
            switch (text)
            {
                case "(" or "{" or "[": brackets++; break;
                case ")" or "}" or "]": brackets--; break;
                case "function" or "do" or "repeat": blocks.Push(text); break;
                case "if": blocks.Push(text); break;
                case "end" or "until": blocks.Pop(); break;
            }

            if (text is "if" or "elseif" && Find(tokens, i + 1, static token => token == "then") is { } then)
            {
                yield return (tokens[i + 1], tokens[then - 1], "true");
                yield return (tokens[i + 1], tokens[then - 1], "false");
            }

            if (brackets == 0 && CallEnd(tokens, i) is { } end) yield return (tokens[i], tokens[end], "");
            if (text == "return" && brackets == 0 && IsEarly(tokens, i, blocks) && Find(tokens, i + 1, static token => token is "end" or "else" or "elseif") is { } over)
                yield return (tokens[i], tokens[over - 1], "");
        }
    }

    // A call that stands alone: what is before it ends a statement or begins a block, and so does what is after it.
    private static int? CallEnd(IReadOnlyList<LuaToken> tokens, int at)
    {
        if (tokens[at].Kind != LuaKind.Name || at + 1 >= tokens.Count || tokens[at + 1].Text != "(" || !BeginsStatement(tokens, at)) return null;
        var open = 0;
        for (var i = at + 1; i < tokens.Count; i++)
        {
            if (tokens[i].Kind == LuaKind.Text) continue;
            if (tokens[i].Text is "(") open++;
            if (tokens[i].Text is ")" && --open == 0) return i + 1 == tokens.Count || BeginsStatement(tokens, i + 1) || tokens[i + 1].Text is "end" or "else" or "elseif" or "until" ? i : null;
        }

        return null;
    }

    private static bool BeginsStatement(IReadOnlyList<LuaToken> tokens, int at)
    {
        if (at == 0) return true;
        var (before, token) = (tokens[at - 1], tokens[at]);
        if (before.Kind == LuaKind.Keyword && before.Text is "then" or "do" or "else" or "repeat") return true;
        return before.EndsValue && before.Line < token.Line && token.Kind is LuaKind.Name or LuaKind.Keyword && token.Text is not ("and" or "or");
    }

    // Within a block, and not all that the block does: without it that would be a condition that never holds.
    private static bool IsEarly(IReadOnlyList<LuaToken> tokens, int at, Stack<string> blocks) =>
        blocks.TryPeek(out var block) && block != "function" && tokens[at - 1].Text is not ("then" or "else");

    // The first such keyword that is not within a function of its own.
    private static int? Find(IReadOnlyList<LuaToken> tokens, int from, Func<string, bool> wanted)
    {
        for (var i = from; i < tokens.Count; i++)
        {
            if (tokens[i].Kind != LuaKind.Keyword) continue;
            if (tokens[i].Text == "function") return null;
            if (wanted(tokens[i].Text)) return i;
        }

        return null;
    }
}
