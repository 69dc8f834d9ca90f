using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Broker.Core.Catalog.Statements;
using Broker.Core.Databases;
using Broker.Core.Model;

namespace Broker.Core.Catalog.Statements;

/// <summary>
/// A role's statements as configured, in the forms that Vault accepts: several in one text, a JSON list of texts, or either of
/// them in Base64 (https://developer.hashicorp.com/vault/api-docs/secret/databases/postgresql#creation_statements, read in
/// go-secure-stdlib's <c>strutil.ParseArbitraryStringSlice</c>).
/// </summary>
internal static partial class StatementTexts
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>
    /// One statement each, with unchanged placeholders. On PostgreSQL they run in a transaction of the broker's: the
    /// <c>BEGIN</c> and <c>COMMIT</c> around them are left out.
    /// </summary>
    /// <exception cref="FormatException">One of them would end that transaction in another way; the message says which.</exception>
    public static IReadOnlyList<string> Read(DatabaseEngineKind engine, IReadOnlyList<string> texts)
    {
        var parts = texts.SelectMany(text => FromBase64(Trimmed(text)) is var plain && FromJson(Trimmed(plain)) is { } list ? list.OfType<string>() : [plain]).Select(Trimmed);
        return engine == DatabaseEngineKind.MongoDb
            ? [.. parts.Where(part => part.Length > 0)]
            : [.. SqlScript.Split(engine, parts).Where(statement => !IsBracket(engine, statement))];
    }

    /// <summary>Whether a placeholder is in one of the texts, Base64 or not, with spaces or without.</summary>
    public static bool Names(IReadOnlyList<string> texts, params string[] placeholders) =>
        texts.Any(text => Placeholder().Matches(FromBase64(Trimmed(text))).Any(match => placeholders.Contains(match.Groups["word"].Value)));

    /// <summary>A placeholder, e.g. <c>{{name}}</c>; Vault knows no spaces in it.</summary>
    [GeneratedRegex(@"\{\{\s*(?<word>[a-z_]+)\s*\}\}", RegexOptions.CultureInvariant)]
    public static partial Regex Placeholder();

    // Some editors write a byte order mark, which servers do not accept.
    private static string Trimmed(string text) => text.Trim().TrimStart('\uFEFF').TrimStart();

    private static bool IsBracket(DatabaseEngineKind engine, string statement)
    {
        if (engine != DatabaseEngineKind.PostgreSql) return false;
        var words = SqlScript.FirstWords(engine, statement, 3);
        string Word(int at) => at < words.Count ? words[at] : "";
        if (Word(0) == "BEGIN" || (Word(0), Word(1)) == ("START", "TRANSACTION")) return true;
        if ((Word(0) is "ROLLBACK" or "ABORT" && Word(1) != "TO" && Word(2) != "TO") || (Word(0), Word(1)) == ("PREPARE", "TRANSACTION") || Word(0) is "COMMIT" or "END" && Word(1) is "PREPARED" or "AND")
            throw new FormatException($"a role's statements run in one transaction, which '{string.Join(' ', words)}' would end; remove it");
        return Word(0) is "COMMIT" or "END";
    }

    // .NET ignores spaces, and would therefore accept words as Base64 that Vault does not.
    private static string FromBase64(string text)
    {
        if (text.AsSpan().ContainsAny(" \t")) return text;
        var bytes = new byte[text.Length];
        if (!Convert.TryFromBase64String(text, bytes, out var written)) return text;
        try
        {
            return Strict.GetString(bytes, 0, written);
        }
        catch (DecoderFallbackException)
        {
            return text;
        }
    }

    private static string[]? FromJson(string text)
    {
        if (!text.StartsWith('[')) return null;
        try
        {
            return JsonSerializer.Deserialize<string[]>(text);
        }
        catch (JsonException)
        {
            return null; // not a list of texts: then it is a statement, and the database will refuse it if it is wrong
        }
    }
}
