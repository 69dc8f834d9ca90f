using Broker.Core.Databases;
using Broker.Core.Model;

namespace Broker.Core.Catalog.Statements;

/// <summary>
/// Whether a statement is inside a body whose own statements end with semicolons: PostgreSQL's <c>BEGIN ATOMIC … END</c> of a function;
/// MySQL's and MariaDB's <c>BEGIN … END</c>, <c>CASE</c>, <c>IF</c>, <c>LOOP</c>, <c>WHILE</c>, <c>REPEAT</c> and <c>FOR</c> of a routine,
/// trigger or event, and the same where MariaDB takes them alone, with <c>BEGIN NOT ATOMIC … END</c>
/// (https://mariadb.com/kb/en/using-compound-statements-outside-of-stored-programs/).
/// </summary>
internal sealed class SqlBlock(DatabaseEngineKind engine)
{
    /// <summary>The keyword of a routine comes within this many words, after definers and the like.</summary>
    private const int NamedWithin = 12;

    private int words;
    private bool creates;
    private bool stored;

    // Open BEGINs and CASEs.
    private int depth;

    // IF, LOOP, WHILE, REPEAT and FOR that are open, in a body that is one of them: in a BEGIN they need not be counted.
    private int flow;
    private string last = "";

    /// <summary>Whether it is.</summary>
    public bool IsOpen => depth > 0 || flow > 0;

    /// <summary>A new statement begins.</summary>
    public void Reset() => (words, creates, stored, depth, flow, last) = (0, false, false, 0, 0, "");

    /// <summary>Something other than a word follows.</summary>
    public void Pass(bool semicolon) => last = semicolon ? ";" : "";

    /// <summary>A word follows.</summary>
    public void Read(string text, int from, int to)
    {
        var word = text[from..to].ToUpperInvariant();
        if (++words == 1) creates = word == "CREATE";
        if (creates && words <= NamedWithin && word is "FUNCTION" or "PROCEDURE" or "TRIGGER" or "EVENT" or "PACKAGE") stored = true;
        if (engine == DatabaseEngineKind.PostgreSql) ReadPostgreSql(word);
        else ReadMySql(word, text, to);
        last = word;
    }

    private void ReadPostgreSql(string word)
    {
        if (stored && word == "ATOMIC" && last == "BEGIN" || depth > 0 && word == "CASE") depth++;
        else if (word == "END" && depth > 0) depth--;
    }

    private void ReadMySql(string word, string text, int to)
    {
        if (words == 3 && word == "ATOMIC" && last == "NOT" && !creates) depth++;
        if (words == 1 && word is "IF" or "CASE" or "LOOP" or "WHILE" or "REPEAT" or "FOR") stored = true;
        if (!stored && depth == 0) return;
        if (word == "END")
        {
            if (NextWord(text, to) is not ("IF" or "LOOP" or "WHILE" or "REPEAT" or "FOR")) depth = Math.Max(0, depth - 1);
            else if (depth == 0) flow = Math.Max(0, flow - 1);
        }
        else if (last == "END")
        {
            // It says what ended.
        }
        else if (word is "BEGIN" or "CASE")
        {
            depth++;
        }
        else if (depth == 0 && (word is "LOOP" or "WHILE" || word == "REPEAT" && Next(text, to) != '(' || word == "IF" && IsStatement(text, to, "THEN") || word == "FOR" && NextWord(text, to) != "EACH" && IsStatement(text, to, "DO")))
        {
            flow++;
        }
    }

    // IF is a function too, and IF EXISTS a part of others; FOR is a part of cursors, handlers and locks.
    private bool IsStatement(string text, int to, string goesOn)
    {
        if (NextWord(text, to) is "EXISTS" or "NOT" && flow == 0 && last is "PROCEDURE" or "FUNCTION" or "TRIGGER" or "EVENT") return false;
        if (flow > 0) return last is ";" or "THEN" or "ELSE" or "DO" or "LOOP" or "REPEAT";
        for (var at = to; at < text.Length;)
        {
            var token = SqlToken.At(engine, text, at);
            if (token.Kind == SqlTokenKind.Semicolon) return false;
            if (token.Kind == SqlTokenKind.Word && text[at..token.End].Equals(goesOn, StringComparison.OrdinalIgnoreCase)) return true;
            at = token.End;
        }

        return false;
    }

    private string NextWord(string text, int from)
    {
        for (var at = from; at < text.Length;)
        {
            var token = SqlToken.At(engine, text, at);
            if (token.Kind == SqlTokenKind.Word) return text[at..token.End].ToUpperInvariant();
            if (token.Kind != SqlTokenKind.Space) break;
            at = token.End;
        }

        return "";
    }

    private char Next(string text, int from)
    {
        while (from < text.Length && SqlToken.At(engine, text, from) is { Kind: SqlTokenKind.Space } space) from = space.End;
        return from < text.Length ? text[from] : '\0';
    }
}
