namespace Broker.Core.Databases.PostgreSql;

/// <summary>Puts names into statements where PostgreSQL takes no parameters.</summary>
internal static class SqlText
{
    /// <summary>A name as a quoted identifier, whatever characters it has.</summary>
    public static string Identifier(string name) => $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
