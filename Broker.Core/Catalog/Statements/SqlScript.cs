using Broker.Core.Catalog.Statements;
using Broker.Core.Databases;
using Broker.Core.Model;

namespace Broker.Core.Catalog.Statements;

/// <summary>
/// Reads SQL like the server's own client, as far as needed to find where a statement ends: not at a semicolon within quotes, a
/// dollar-quoted body, a comment, parentheses, or the body of a routine. Sources: PostgreSQL's <c>psqlscan.l</c> and
/// https://www.postgresql.org/docs/current/sql-syntax-lexical.html; https://dev.mysql.com/doc/refman/8.4/en/comments.html,
/// https://mariadb.com/kb/en/begin-end/.
/// </summary>
internal static class SqlScript
{
    /// <summary>The statements of texts that run one after the other, without the semicolons between them. A mere comment is not a statement.</summary>
    public static IReadOnlyList<string> Split(DatabaseEngineKind engine, params IEnumerable<string> texts)
    {
        var (statements, backslashes) = (new List<string>(), false);
        foreach (var text in texts) Split(engine, text, statements, ref backslashes);
        return statements;
    }

    /// <summary>Whether a statement contains semicolons outside quotes and comments.</summary>
    public static bool HoldsSemicolons(DatabaseEngineKind engine, string statement)
    {
        for (var at = 0; at < statement.Length;)
        {
            var token = SqlToken.At(engine, statement, at);
            if (token.Kind == SqlTokenKind.Semicolon) return true;
            at = token.End;
        }

        return false;
    }

    /// <summary>The words a statement begins with, in capitals, without comments between them.</summary>
    public static IReadOnlyList<string> FirstWords(DatabaseEngineKind engine, string statement, int most)
    {
        var words = new List<string>();
        for (var at = 0; at < statement.Length && words.Count < most;)
        {
            var token = SqlToken.At(engine, statement, at);
            if (token.Kind == SqlTokenKind.Word) words.Add(statement[at..token.End].ToUpperInvariant());
            else if (token.Kind != SqlTokenKind.Space) break;
            at = token.End;
        }

        return words;
    }

    private static void Split(DatabaseEngineKind engine, string text, List<string> statements, ref bool backslashes)
    {
        var block = new SqlBlock(engine);
        var (start, parentheses, says) = (0, 0, false);
        var delimiter = "";
        for (var at = 0; at < text.Length;)
        {
            var token = SqlToken.At(engine, text, at, backslashes);
            // A delimiter ends a word even if its characters could continue it: END$$.
            if (delimiter.Length > 0 && token.Kind == SqlTokenKind.Word && text.IndexOf(delimiter, at, token.End - at, StringComparison.Ordinal) is var inside and > 0 && inside > at)
                token = token with { End = inside };
            var ends = delimiter.Length == 0
                ? token.Kind == SqlTokenKind.Semicolon && parentheses <= 0 && !block.IsOpen
                : string.CompareOrdinal(text, at, delimiter, 0, delimiter.Length) == 0;
            if (ends)
            {
                Add(text[start..at], ref backslashes);
                at = start = at + Math.Max(1, delimiter.Length);
                continue;
            }

            if (!says && engine == DatabaseEngineKind.MySql && token.Kind == SqlTokenKind.Word && text.AsSpan(at, token.End - at).Equals("DELIMITER", StringComparison.OrdinalIgnoreCase))
            {
                // A command of the client, which a script for it may contain.
                var line = text.IndexOf('\n', at) is var found and >= 0 ? found : text.Length;
                delimiter = text[token.End..line].Trim() is var other and not ";" ? other : "";
                at = start = line;
                continue;
            }

            says |= token.Kind != SqlTokenKind.Space;
            if (token.Kind == SqlTokenKind.Open) parentheses++;
            if (token.Kind == SqlTokenKind.Close) parentheses--;
            if (token.Kind == SqlTokenKind.Word) block.Read(text, at, token.End);
            else if (token.Kind != SqlTokenKind.Space) block.Pass(token.Kind == SqlTokenKind.Semicolon);
            at = token.End;
        }

        Add(text[start..], ref backslashes);

        void Add(string statement, ref bool backslashes)
        {
            if (says) statements.Add(statement.Trim());
            if (says && engine == DatabaseEngineKind.PostgreSql && SetsBackslashes(statement) is { } set) backslashes = set;
            (says, parentheses) = (false, 0);
            block.Reset();
        }
    }

    // SET [SESSION | LOCAL] standard_conforming_strings { = | TO } value: what follows is read so. Null: it is another statement.
    private static bool? SetsBackslashes(string statement)
    {
        var words = new List<string>();
        for (var at = 0; at < statement.Length && words.Count < 5;)
        {
            var token = SqlToken.At(DatabaseEngineKind.PostgreSql, statement, at);
            if (token.Kind != SqlTokenKind.Space) words.Add(statement[at..token.End].Trim('\'', '"').ToUpperInvariant());
            at = token.End;
        }

        if (words is ["SET", "SESSION" or "LOCAL", ..]) words.RemoveAt(1);
        return words is ["SET", "STANDARD_CONFORMING_STRINGS", "=" or "TO", var value, ..] ? value is "OFF" or "FALSE" or "NO" or "0" : null;
    }
}
