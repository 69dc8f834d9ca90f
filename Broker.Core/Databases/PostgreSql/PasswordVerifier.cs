using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Broker.Core.Catalog.Statements;
using Broker.Core.Model;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// Puts a password's verifier in place of the password in <c>CREATE ROLE … PASSWORD '…'</c>: the server stores nothing else, and accepts
/// it as it is, so that the password never gets into its log (<c>log_statement = ddl</c>). RFC 5803,
/// https://www.postgresql.org/docs/current/sql-createrole.html, https://www.postgresql.org/docs/current/catalog-pg-authid.html
/// </summary>
internal static class PasswordVerifier
{
    private const int SaltBytes = 16;
    private const int KeyBytes = 32;

    /// <summary>
    /// A statement with the verifier in place of the password; unchanged when it makes no role, contains another password, or the server
    /// keeps passwords in a form that is not known here.
    /// </summary>
    /// <param name="statement">Ready to run.</param>
    /// <param name="login">The user and the password that may be in it.</param>
    /// <param name="encryption">The server's <c>password_encryption</c>; null: it has none.</param>
    /// <param name="iterations">Its <c>scram_iterations</c>.</param>
    public static string PutIn(string statement, Login login, string? encryption, int iterations)
    {
        var words = SqlScript.FirstWords(DatabaseEngineKind.PostgreSql, statement, 3);
        if (words is not ["CREATE" or "ALTER", "ROLE" or "USER" or "GROUP", ..] || words is [_, "USER", "MAPPING"]) return statement;
        if (Of(login, encryption, iterations) is not { } verifier) return statement;
        var said = new StringBuilder();
        var last = "";
        for (var at = 0; at < statement.Length;)
        {
            var token = SqlToken.At(DatabaseEngineKind.PostgreSql, statement, at);
            var text = statement[at..token.End];
            said.Append(last == "PASSWORD" && Says(text, login.Password.Reveal()) ? Quoted(verifier) : text);
            if (token.Kind != SqlTokenKind.Space) last = token.Kind == SqlTokenKind.Word ? text.ToUpperInvariant() : "";
            at = token.End;
        }

        return said.ToString();
    }

    /// <summary><c>SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey</c></summary>
    /// <param name="salted">The password, salted this many times.</param>
    /// <param name="salt">The salt.</param>
    /// <param name="iterations">How many times.</param>
    public static string Scram(byte[] salted, byte[] salt, int iterations)
    {
        var stored = SHA256.HashData(HMACSHA256.HashData(salted, "Client Key"u8));
        var server = HMACSHA256.HashData(salted, "Server Key"u8);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"SCRAM-SHA-256${iterations}:{Convert.ToBase64String(salt)}${Convert.ToBase64String(stored)}:{Convert.ToBase64String(server)}");
    }

    // The server would first prepare other characters (SASLprep, RFC 4013), and an unprepared verifier of them lets nobody in.
    private static string? Of(Login login, string? encryption, int iterations)
    {
        var password = login.Password.Reveal();
        return !Ascii.IsValid(password) || password.Any(char.IsControl) ? null
            : encryption switch
            {
                "scram-sha-256" => Scram(password, iterations),
                "md5" or "on" => Md5(login.Username, password),
                _ => null,
            };
    }

    private static string Scram(string password, int iterations)
    {
        var salt = RandomNumberGenerator.GetBytes(SaltBytes);
        return Scram(Rfc2898DeriveBytes.Pbkdf2(Encoding.ASCII.GetBytes(password), salt, iterations, HashAlgorithmName.SHA256, KeyBytes), salt, iterations);
    }

    [System.Diagnostics.CodeAnalysis.SuppressMessage("Security", "CA5351:Do Not Use Broken Cryptographic Algorithms", Justification = "What a server that is set to md5 stores of a password.")]
    private static string Md5(string username, string password) =>
        "md5" + Convert.ToHexStringLower(MD5.HashData(Encoding.UTF8.GetBytes(password + username)));

    // The statement's literal is the password: in quotes, in those of E'…', or between dollars.
    private static bool Says(string literal, string password) =>
        literal == Quoted(password) || literal.Equals($"E{Quoted(password)}", StringComparison.OrdinalIgnoreCase) && !password.Contains('\\', StringComparison.Ordinal)
        || (literal.StartsWith('$') && literal.IndexOf('$', 1) is var tag and > 0 && literal.Length == (2 * tag) + 2 + password.Length && literal[(tag + 1)..^(tag + 1)] == password);

    private static string Quoted(string text) => $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";
}
