using Broker.Core.Catalog;
using MySqlConnector;

namespace Broker.Core.Databases.MySql;

/// <summary>The activity of a server's sessions, grouped by what they have in common.</summary>
internal static class SessionList
{
    // A client that is logging in has no user yet. A thread of the server's own takes no connection.
    private const string Sessions = """
        SELECT p.ID, NULLIF(p.USER, 'unauthenticated user'), p.HOST, p.COMMAND, p.TIME, t.trx_mysql_thread_id IS NOT NULL
        FROM information_schema.PROCESSLIST p
        LEFT JOIN information_schema.INNODB_TRX t ON t.trx_mysql_thread_id = p.ID
        WHERE p.USER NOT IN ('system user', 'event_scheduler') AND p.ID <> CONNECTION_ID()
        """;

    // Empty where the performance schema is off, as it is by default on MariaDB.
    private const string Programs = "SELECT PROCESSLIST_ID, ATTR_VALUE FROM performance_schema.session_connect_attrs WHERE ATTR_NAME = 'program_name'";

    /// <summary>Reads it now, without the session that reads it.</summary>
    /// <exception cref="DatabaseException">The server is not there or refuses.</exception>
    public static async Task<IReadOnlyList<OpenSessions>> ReadAsync(AdminConnections admin, Database database, CancellationToken cancellation)
    {
        await using var connection = await admin.OpenAsync(database, cancellation);
        var programs = await ProgramsAsync(connection, database, cancellation);
        var seen = new List<OpenSessions>();
        await AdminReads.RunAsync(
            connection,
            database,
            Sessions,
            row =>
            {
                var (busy, inTransaction) = (row.GetString(3) is not "Sleep", row.GetBoolean(5));
                var lasts = TimeSpan.FromSeconds(row.IsDBNull(4) ? 0 : Math.Max(0, row.GetInt64(4)));
                seen.Add(new(
                    row.IsDBNull(1) ? null : row.GetString(1),
                    programs.GetValueOrDefault(row.GetInt64(0), ""),
                    row.IsDBNull(2) ? "" : AddressOf(row.GetString(2)),
                    1,
                    busy || inTransaction ? 0 : 1,
                    !busy && inTransaction ? 1 : 0,
                    busy ? lasts : null,
                    !busy && inTransaction ? lasts : null));
            },
            cancellation);
        return
        [
            .. seen.GroupBy(session => (session.Username, session.Program, session.Address))
                .Select(alike => new OpenSessions(
                    alike.Key.Username, alike.Key.Program, alike.Key.Address, alike.Count(), alike.Sum(session => session.Idle), alike.Sum(session => session.IdleInTransaction),
                    alike.Max(session => session.LongestQuery), alike.Max(session => session.LongestIdleInTransaction)))
                .OrderByDescending(alike => alike.Open).ThenBy(alike => alike.Username, StringComparer.Ordinal).ThenBy(alike => alike.Program, StringComparer.Ordinal),
        ];
    }

    // A host and a port; a local socket has none.
    private static string AddressOf(string host) => host.LastIndexOf(':') is >= 0 and var at ? host[..at] : host == "localhost" ? "" : host;

    private static async Task<IReadOnlyDictionary<long, string>> ProgramsAsync(MySqlConnection connection, Database database, CancellationToken cancellation)
    {
        var programs = new Dictionary<long, string>();
        try
        {
            await AdminReads.RunAsync(
                connection, database, Programs, row => programs[row.GetInt64(0)] = row.IsDBNull(1) ? "" : row.GetString(1), cancellation);
        }
        catch (DatabaseException exception) when (exception.Failure == DatabaseFailure.StatementRefused)
        {
            // The administrator may not see what clients call themselves: sessions are distinguished by user and address.
        }

        return programs;
    }
}
