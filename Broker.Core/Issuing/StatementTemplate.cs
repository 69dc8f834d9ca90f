using System.Buffers;
using System.Globalization;
using Broker.Core.Catalog.Statements;
using Broker.Core.Model;

namespace Broker.Core.Issuing;

/// <summary>
/// Vault's template language for a role's statements: <c>{{name}}</c> and <c>{{username}}</c> (the same), <c>{{password}}</c>,
/// <c>{{expiration}}</c>. As in Vault, a placeholder that is unknown, or has no value here, stays as written, for the
/// database to refuse. Spaces inside the braces are allowed (Vault does not know them).
/// </summary>
/// <remarks>
/// Statements are read as the engine's SQL, or as its JSON (<see cref="StatementTexts"/>). That comes before the values are put in, so no
/// value can add a statement.
/// </remarks>
public static class StatementTemplate
{
    private static readonly SearchValues<char> Harmful = SearchValues.Create("'\"\\`;$");

    /// <summary>Splits the statements and puts the values in.</summary>
    /// <param name="engine">The engine of the statements.</param>
    /// <param name="statements">As configured on the role.</param>
    /// <param name="username">The user's name.</param>
    /// <param name="password">Its password; null if there is none to give (renewing, dropping).</param>
    /// <param name="expiration">Its end; null if there is none to give (dropping).</param>
    /// <returns>The statements, ready to run one by one. They hold the password in the clear: never log them.</returns>
    /// <exception cref="ArgumentException">A value has a quote, a backslash, a semicolon, a dollar sign or a control character: it could end the literal around it.</exception>
    /// <exception cref="FormatException">A statement is not allowed in a role; the message says why.</exception>
    public static IReadOnlyList<string> Render(
        DatabaseEngineKind engine, IReadOnlyList<string> statements, string username, Secret? password = null, DateTimeOffset? expiration = null)
    {
        if (!IsHarmless(username))
            throw new ArgumentException("A user name with quotes, backslashes, semicolons, dollar signs or control characters is not put into statements.", nameof(username));
        if (password is not null && !IsHarmless(password.Reveal()))
            throw new ArgumentException("A password with quotes, backslashes, semicolons, dollar signs or control characters is not put into statements.", nameof(password));

        string Fill(string statement) => StatementTexts.Placeholder().Replace(statement, placeholder => placeholder.Groups["word"].Value switch
        {
            "name" or "username" => username,
            "password" when password is not null => password.Reveal(),
            "expiration" when expiration is { } end => Expiration(end),
            _ => placeholder.Value,
        });

        return [.. StatementTexts.Read(engine, statements).Select(Fill)];
    }

    /// <summary>An end as Vault writes it (Go's <c>2006-01-02 15:04:05-0700</c>), in UTC, cut to the second.</summary>
    public static string Expiration(DateTimeOffset end) =>
        end.ToUniversalTime().ToString("yyyy-MM-dd HH:mm:ss'+0000'", CultureInfo.InvariantCulture);

    private static bool IsHarmless(string value) => !value.AsSpan().ContainsAny(Harmful) && !value.Any(char.IsControl);
}
