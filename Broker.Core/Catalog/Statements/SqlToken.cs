using Broker.Core.Databases;
using Broker.Core.Model;

namespace Broker.Core.Catalog.Statements;

/// <summary>The kinds of SQL tokens.</summary>
internal enum SqlTokenKind
{
    /// <summary>White space or a comment.</summary>
    Space,

    /// <summary>A word that is not quoted.</summary>
    Word,

    /// <summary>A semicolon.</summary>
    Semicolon,

    /// <summary>An opening parenthesis.</summary>
    Open,

    /// <summary>A closing one.</summary>
    Close,

    /// <summary>A quoted text or name, an operator, a number.</summary>
    Other,
}

/// <summary>A token of SQL.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="End">Where the next token begins. An unclosed token extends to the end of the text, for the server to refuse.</param>
internal readonly record struct SqlToken(SqlTokenKind Kind, int End)
{
    /// <summary>The token that begins at a position.</summary>
    /// <param name="engine">The engine of the SQL.</param>
    /// <param name="text">The whole text.</param>
    /// <param name="at">Where.</param>
    /// <param name="backslashes">Whether backslashes escape in PostgreSQL's plain quotes, which they do where <c>standard_conforming_strings</c> is off.</param>
    public static SqlToken At(DatabaseEngineKind engine, string text, int at, bool backslashes = false)
    {
        var mySql = engine == DatabaseEngineKind.MySql;
        var next = at + 1 < text.Length ? text[at + 1] : '\0';
        switch (text[at])
        {
            case ';':
                return new(SqlTokenKind.Semicolon, at + 1);
            case '(':
                return new(SqlTokenKind.Open, at + 1);
            case ')':
                return new(SqlTokenKind.Close, at + 1);
            case '\'':
                return new(SqlTokenKind.Other, EndOfQuoted(text, at, backslashes || mySql));
            case '"':
                return new(SqlTokenKind.Other, EndOfQuoted(text, at, backslashes: mySql));
            case '`' when mySql:
                return new(SqlTokenKind.Other, EndOfQuoted(text, at, backslashes: false));
            // In MySQL two dashes begin a comment only before white space: 5--1 is 6 there.
            case '-' when next == '-' && (!mySql || at + 2 >= text.Length || char.IsWhiteSpace(text[at + 2]) || char.IsControl(text[at + 2])):
                return new(SqlTokenKind.Space, EndOfLine(text, at));
            case '#' when mySql:
                return new(SqlTokenKind.Space, EndOfLine(text, at));
            // The content of /*! … */ and /*M! … */ is executed.
            case '/' when next == '*':
                return new(
                    mySql && (text.AsSpan(at).StartsWith("/*!") || text.AsSpan(at).StartsWith("/*M!")) ? SqlTokenKind.Other : SqlTokenKind.Space, EndOfComment(text, at, nests: !mySql));
            case '$' when !mySql:
                return new(SqlTokenKind.Other, EndOfDollars(text, at));
            case var blank when char.IsWhiteSpace(blank):
                return new(SqlTokenKind.Space, at + 1);
            case 'e' or 'E' when !mySql && next == '\'':
                return new(SqlTokenKind.Other, EndOfContinued(text, EndOfQuoted(text, at + 1, backslashes: true)));
            case var letter when char.IsLetter(letter) || letter == '_':
                var end = at + 1;
                while (end < text.Length && (char.IsLetterOrDigit(text[end]) || text[end] is '_' or '$')) end++;
                return new(SqlTokenKind.Word, end);
            case var digit when char.IsAsciiDigit(digit):
                end = at + 1;
                while (end < text.Length && (char.IsLetterOrDigit(text[end]) || text[end] == '_')) end++;
                return new(SqlTokenKind.Other, end);
            default:
                return new(SqlTokenKind.Other, at + 1);
        }
    }

    private static int EndOfQuoted(string text, int at, bool backslashes)
    {
        var quote = text[at];
        for (var i = at + 1; i < text.Length; i++)
        {
            if (backslashes && text[i] == '\\') i++;
            else if (text[i] == quote && i + 1 < text.Length && text[i + 1] == quote) i++;
            else if (text[i] == quote) return i + 1;
        }

        return text.Length;
    }

    // A string continues in the next quotes when there is a line break in between, and backslashes keep their meaning.
    private static int EndOfContinued(string text, int end)
    {
        while (true)
        {
            var next = end;
            while (next < text.Length && char.IsWhiteSpace(text[next])) next++;
            if (next >= text.Length || text[next] != '\'' || !text.AsSpan(end, next - end).ContainsAny('\n', '\r')) return end;
            end = EndOfQuoted(text, next, backslashes: true);
        }
    }

    private static int EndOfLine(string text, int at) => text.IndexOfAny(['\n', '\r'], at) is var end and >= 0 ? end : text.Length;

    private static int EndOfComment(string text, int at, bool nests)
    {
        var depth = 1;
        for (var i = at + 2; i + 1 < text.Length; i++)
        {
            if (text[i] == '*' && text[i + 1] == '/')
            {
                i++;
                if (--depth == 0) return i + 1;
            }
            else if (nests && text[i] == '/' && text[i + 1] == '*')
            {
                i++;
                depth++;
            }
        }

        return text.Length;
    }

    // $$ … $$ or $tag$ … $tag$; a lone $ is none of them.
    private static int EndOfDollars(string text, int at)
    {
        var i = at + 1;
        if (i < text.Length && char.IsDigit(text[i])) return i;
        while (i < text.Length && (char.IsLetterOrDigit(text[i]) || text[i] == '_')) i++;
        if (i >= text.Length || text[i] != '$') return at + 1;
        var tag = text[at..(i + 1)];
        var end = text.IndexOf(tag, i + 1, StringComparison.Ordinal);
        return end < 0 ? text.Length : end + tag.Length;
    }
}
