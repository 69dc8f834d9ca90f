using Broker.Core.Catalog.Statements;
using Broker.Core.Model;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>Puts names into statements where PostgreSQL takes no parameters.</summary>
internal static class SqlText
{
    /// <summary>
    /// A statement that the driver sends whole. The driver takes the semicolons in a function's <c>BEGIN ATOMIC … END</c> for separators
    /// of statements, and splits there: such a statement is run from within a block.
    /// </summary>
    public static string Whole(string statement)
    {
        if (!SqlScript.HoldsSemicolons(DatabaseEngineKind.PostgreSql, statement)) return statement;
        string Tag(string name) => statement.Contains($"${name}$", StringComparison.Ordinal) ? Tag(name + "_") : $"${name}$";
        var (outer, inner) = (Tag("run"), Tag("whole"));
        return $"DO {outer}BEGIN EXECUTE {inner}{statement}{inner}; END{outer}";
    }

    /// <summary>A name as a quoted identifier, whatever characters it has.</summary>
    public static string Identifier(string name) => $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
