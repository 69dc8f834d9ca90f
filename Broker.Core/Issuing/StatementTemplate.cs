using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Broker.Core.Model;

namespace Broker.Core.Issuing;

/// <summary>
/// Vault's template language for a role's statements: <c>{{name}}</c> and <c>{{username}}</c> (the same), <c>{{password}}</c>,
/// <c>{{expiration}}</c>. As in Vault, a placeholder that is unknown, or has no value here, stays as it is written, for the
/// database to refuse. Spaces inside the braces are allowed (Vault does not know them).
/// </summary>
/// <remarks>
/// Splitting follows Vault's PostgreSQL plugin (read in OpenBao's <c>plugins/database/postgresql/postgresql.go</c> and
/// go-secure-stdlib's <c>strutil.ParseArbitraryStringSlice</c>): a statement may be several, separated by semicolons wherever they
/// stand, or a JSON list of strings, and either of them in Base64; one with the word <c>END</c> outside quotes is a block
/// (<c>DO $$ BEGIN … END $$</c>) and stays whole. Splitting comes before the values are put in, so no value can add a statement.
/// </remarks>
public static partial class StatementTemplate
{
    private static readonly SearchValues<char> Harmful = SearchValues.Create("'\"\\`;$");

    /// <summary>Splits the statements and puts the values in.</summary>
    /// <param name="statements">As configured on the role.</param>
    /// <param name="username">The user's name.</param>
    /// <param name="password">Its password; null where there is none to give (renewing, dropping).</param>
    /// <param name="expiration">Its end; null where there is none to give (dropping).</param>
    /// <returns>The statements, ready to run one by one. They hold the password in the clear: never log them.</returns>
    /// <exception cref="ArgumentException">A value has a quote, a backslash, a semicolon, a dollar sign or a control character: it could end the literal it stands in.</exception>
    public static IReadOnlyList<string> Render(
        IReadOnlyList<string> statements, string username, Secret? password = null, DateTimeOffset? expiration = null)
    {
        if (!IsHarmless(username))
            throw new ArgumentException("A user name with quotes, backslashes, semicolons, dollar signs or control characters is not put into statements.", nameof(username));
        if (password is not null && !IsHarmless(password.Reveal()))
            throw new ArgumentException("A password with quotes, backslashes, semicolons, dollar signs or control characters is not put into statements.", nameof(password));

        string Fill(string statement) => Placeholder().Replace(statement, placeholder => placeholder.Groups["word"].Value switch
        {
            "name" or "username" => username,
            "password" when password is not null => password.Reveal(),
            "expiration" when expiration is { } end => Expiration(end),
            _ => placeholder.Value,
        });

        return [.. statements.SelectMany(Split).Select(Fill)];
    }

    /// <summary>An end as Vault writes it (Go's <c>2006-01-02 15:04:05-0700</c>), in UTC, cut to the second.</summary>
    public static string Expiration(DateTimeOffset end) =>
        end.ToUniversalTime().ToString("yyyy-MM-dd HH:mm:ss'+0000'", CultureInfo.InvariantCulture);

    private static IEnumerable<string> Split(string statement)
    {
        if (BlockEnd().IsMatch(Quoted().Replace(statement, "")))
            return [statement];
        var decoded = FromBase64(statement.Trim());
        var parts = FromJson(decoded) ?? decoded.Split(';');
        return parts.Select(part => part.Trim()).Where(part => part.Length > 0);
    }

    private static string FromBase64(string text)
    {
        var bytes = new byte[text.Length];
        return Convert.TryFromBase64String(text, bytes, out var written) ? Encoding.UTF8.GetString(bytes, 0, written) : text;
    }

    private static string[]? FromJson(string text)
    {
        if (!text.StartsWith('['))
            return null;
        try
        {
            return JsonSerializer.Deserialize<string[]>(text);
        }
        catch (JsonException)
        {
            return null; // not JSON: then it is SQL, and the database will say what it thinks of it
        }
    }

    private static bool IsHarmless(string value) => !value.AsSpan().ContainsAny(Harmful) && !value.Any(char.IsControl);

    [GeneratedRegex(@"\{\{ *(?<word>[a-z_]+) *\}\}", RegexOptions.CultureInvariant)]
    private static partial Regex Placeholder();

    [GeneratedRegex(@"""[^""]*""|'[^']*'", RegexOptions.CultureInvariant)]
    private static partial Regex Quoted();

    [GeneratedRegex(@"\bEND\b", RegexOptions.CultureInvariant)]
    private static partial Regex BlockEnd();
}
