using System.Security.Cryptography;
using Broker.Core.Model;

namespace Broker.Core.Databases;

/// <summary>
/// Makes passwords. Servers may refuse any without an upper- and a lower-case letter, a digit and a special character: MySQL's
/// <c>validate_password</c> at its default <c>MEDIUM</c> (https://dev.mysql.com/doc/refman/8.4/en/validate-password-options-variables.html),
/// MariaDB's <c>simple_password_check</c> (https://mariadb.com/kb/en/simple-password-check-plugin/).
/// </summary>
internal static class Passwords
{
    private const int Length = 32;
    private const string Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    /// <summary>64 characters, none of which any SQL, shell, URL or connection string needs escaped.</summary>
    private const string Alphabet = Letters + "0123456789-_";

    /// <summary>
    /// A new one: a letter, then 31 of letters, digits, <c>-</c> and <c>_</c>, of all four kinds: more than 190 random bits. One that lacks a kind
    /// is drawn again, so that all others are equally likely.
    /// </summary>
    public static Secret New()
    {
        while (true)
        {
            var drawn = RandomNumberGenerator.GetString(Letters, 1) + RandomNumberGenerator.GetString(Alphabet, Length - 1);
            if (drawn.Any(char.IsAsciiLetterUpper) && drawn.Any(char.IsAsciiLetterLower) && drawn.Any(char.IsAsciiDigit) && drawn.AsSpan().ContainsAny('-', '_')) return new(drawn);
        }
    }
}
