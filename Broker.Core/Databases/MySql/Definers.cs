using Broker.Core.Catalog;
using MySqlConnector;

namespace Broker.Core.Databases.MySql;

/// <summary>
/// Objects that a user is the <c>DEFINER</c> of: routines, views, triggers and events
/// (https://dev.mysql.com/doc/refman/8.4/en/stored-objects-security.html). With <c>SQL SECURITY DEFINER</c>, and always in triggers and events, they
/// run with its rights: when their user is dropped, they fail for everybody, and
/// anybody who makes an account of that name again takes them over (law L13). MySQL drops no definer of any of them. The server lists only those on which the administrator has some right,
/// of its own or by a role that is active (<see cref="AdminRoles"/>); these include everything that it could let its users make.
/// </summary>
internal static class Definers
{
    /// <summary>What lets MySQL drop a user that is a definer; <c>SQL SECURITY INVOKER</c> does not.</summary>
    public const string Remedy =
        "Drop the object, or create it again with another DEFINER that has no more rights (never an administrator), or grant the broker's administrator ALLOW_NONEXISTENT_DEFINER (MySQL 8.0: SET_USER_ID).";

    private const int MostNamed = 8;

    /// <summary>
    /// The objects that keep a user from being dropped, and their number; none: null. On MariaDB those that run with its rights, on MySQL all that
    /// it is the definer of.
    /// </summary>
    /// <exception cref="DatabaseException">The server is not there or refuses.</exception>
    public static Task<(string Names, int Number)?> OfAsync(MySqlConnection connection, Database database, string username, CancellationToken cancellation) =>
        OfAsync(connection, database, username, alsoInvokers: !ServerFacts.IsMariaDb(connection), cancellation);

    /// <summary>The objects that run with the user's rights, and their number; none: null.</summary>
    /// <param name="connection">The administrator's.</param>
    /// <param name="database">The database.</param>
    /// <param name="username">The user.</param>
    /// <param name="alsoInvokers">Also those that run with their caller's rights.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="DatabaseException">The server is not there or refuses.</exception>
    public static async Task<(string Names, int Number)?> OfAsync(
        MySqlConnection connection, Database database, string username, bool alsoInvokers, CancellationToken cancellation)
    {
        var found = new List<string>();
        // The host part has no @; the name may have some.
        var theirs = $"CAST(LEFT(DEFINER, CHAR_LENGTH(DEFINER) - CHAR_LENGTH(SUBSTRING_INDEX(DEFINER, '@', -1)) - 1) AS BINARY) = {SqlText.Bytes(username)}";
        var withItsRights = alsoInvokers ? theirs : $"SECURITY_TYPE = 'DEFINER' AND {theirs}";
        Task LookAsync() => AdminReads.RunAsync(
            connection,
            database,
            $"""
            SELECT {Text("LOWER(ROUTINE_TYPE)")}, {Text("ROUTINE_SCHEMA")}, {Text("ROUTINE_NAME")} FROM information_schema.ROUTINES WHERE {withItsRights}
            UNION ALL SELECT {Text("'view'")}, {Text("TABLE_SCHEMA")}, {Text("TABLE_NAME")} FROM information_schema.VIEWS WHERE {withItsRights}
            UNION ALL SELECT {Text("'trigger'")}, {Text("TRIGGER_SCHEMA")}, {Text("TRIGGER_NAME")} FROM information_schema.TRIGGERS WHERE {theirs}
            UNION ALL SELECT {Text("'event'")}, {Text("EVENT_SCHEMA")}, {Text("EVENT_NAME")} FROM information_schema.EVENTS WHERE {theirs}
            """,
            row =>
            {
                var name = $"{row.GetString(0)} {row.GetString(1)}.{row.GetString(2)}";
                if (!found.Contains(name)) found.Add(name);
            },
            cancellation);
        await LookAsync();
        await AdminRoles.LookAsync(connection, database, LookAsync, cancellation);
        return found.Count == 0 ? null
            : (found.Count <= MostNamed ? string.Join(", ", found) : $"{string.Join(", ", found.Take(MostNamed))} and {found.Count - MostNamed} more", found.Count);
    }

    // With lower_case_table_names=1 MySQL gives names of tables another collation than names of routines, and cannot unite them by itself (ERROR 1271).
    private static string Text(string column) => $"CONVERT({column} USING utf8mb4) COLLATE utf8mb4_bin";
}
