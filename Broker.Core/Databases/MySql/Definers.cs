using Broker.Core.Catalog;
using MySqlConnector;

namespace Broker.Core.Databases.MySql;

/// <summary>
/// Objects that run with a user's rights because it made them: routines and views with <c>SQL SECURITY DEFINER</c>, triggers and events
/// (https://dev.mysql.com/doc/refman/8.4/en/stored-objects-security.html). When their user is dropped, they fail for everybody, and
/// anybody who makes an account of that name again takes them over (law L13). The server lists only those on which the administrator has some right;
/// these include everything that it could let its users make.
/// </summary>
internal static class Definers
{
    private const int MostNamed = 8;

    /// <summary>The objects that run with the user's rights, and their number; none: null.</summary>
    /// <exception cref="DatabaseException">The server is not there or refuses.</exception>
    public static async Task<(string Names, int Number)?> OfAsync(MySqlConnection connection, Database database, string username, CancellationToken cancellation)
    {
        var found = new List<string>();
        // The host part has no @; the name may have some.
        var theirs = $"CAST(LEFT(DEFINER, CHAR_LENGTH(DEFINER) - CHAR_LENGTH(SUBSTRING_INDEX(DEFINER, '@', -1)) - 1) AS BINARY) = {SqlText.Bytes(username)}";
        await AdminReads.RunAsync(
            connection,
            database,
            $"""
            SELECT LOWER(ROUTINE_TYPE), ROUTINE_SCHEMA, ROUTINE_NAME FROM information_schema.ROUTINES WHERE SECURITY_TYPE = 'DEFINER' AND {theirs}
            UNION ALL SELECT 'view', TABLE_SCHEMA, TABLE_NAME FROM information_schema.VIEWS WHERE SECURITY_TYPE = 'DEFINER' AND {theirs}
            UNION ALL SELECT 'trigger', TRIGGER_SCHEMA, TRIGGER_NAME FROM information_schema.TRIGGERS WHERE {theirs}
            UNION ALL SELECT 'event', EVENT_SCHEMA, EVENT_NAME FROM information_schema.EVENTS WHERE {theirs}
            """,
            row => found.Add($"{row.GetString(0)} {row.GetString(1)}.{row.GetString(2)}"),
            cancellation);
        return found.Count == 0 ? null
            : (found.Count <= MostNamed ? string.Join(", ", found) : $"{string.Join(", ", found.Take(MostNamed))} and {found.Count - MostNamed} more", found.Count);
    }
}
