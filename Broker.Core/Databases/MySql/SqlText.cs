using System.Text;

namespace Broker.Core.Databases.MySql;

/// <summary>
/// Puts names into statements in forms that read the same under every <c>sql_mode</c>: with <c>NO_BACKSLASH_ESCAPES</c> or
/// <c>ANSI_QUOTES</c> a quoted text can mean something else than without.
/// </summary>
internal static class SqlText
{
    /// <summary>An account, e.g. <c>`name`@`%`</c>: between backticks only the backtick itself is special.</summary>
    public static string Account(Account account) => $"{Identifier(account.Username)}@{Identifier(account.Host)}";

    /// <summary>A text as its UTF-8 bytes, to be compared with <c>CAST(… AS BINARY)</c>: exactly, whatever the collations.</summary>
    public static string Bytes(string text) => $"X'{Convert.ToHexString(Encoding.UTF8.GetBytes(text))}'";

    /// <summary>A name between backticks.</summary>
    public static string Identifier(string name) => $"`{name.Replace("`", "``", StringComparison.Ordinal)}`";
}
