using Broker.Core.Catalog;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>The activity of a server's sessions, grouped by what they have in common.</summary>
internal static class SessionList
{
    /// <remarks>
    /// The same sessions as <see cref="ConnectionCount"/> counts. Without <c>pg_read_all_stats</c> the state and the address of other
    /// roles' sessions are hidden: these are neither idle nor busy.
    /// </remarks>
    private const string Query = """
        SELECT a.usename::text, coalesce(a.application_name, ''), coalesce(host(a.client_addr), ''),
               count(*)::int,
               (count(*) FILTER (WHERE a.state = 'idle'))::int,
               (count(*) FILTER (WHERE a.state LIKE 'idle in transaction%'))::int,
               extract(epoch FROM max(clock_timestamp() - a.query_start) FILTER (WHERE a.state = 'active'))::float8,
               extract(epoch FROM max(clock_timestamp() - a.state_change) FILTER (WHERE a.state LIKE 'idle in transaction%'))::float8
        FROM pg_stat_activity a
        WHERE (a.backend_type = 'client backend'
               OR (a.backend_type IS NULL AND a.usesysid IS NOT NULL AND a.datid IS NOT NULL))
          AND a.pid <> pg_backend_pid()
        GROUP BY 1, 2, 3
        ORDER BY 4 DESC, 1, 2, 3
        """;

    /// <summary>Reads it now, without the session that reads it.</summary>
    /// <exception cref="DatabaseException">The server is not there or refuses.</exception>
    public static Task<IReadOnlyList<OpenSessions>> ReadAsync(AdminConnections admin, Database database, CancellationToken cancellation) =>
        AdminReads.RunAsync<IReadOnlyList<OpenSessions>>(
            admin,
            database,
            Query,
            [],
            async reader =>
            {
                var found = new List<OpenSessions>();
                while (await reader.ReadAsync(cancellation))
                {
                    found.Add(new(
                        await reader.IsDBNullAsync(0, cancellation) ? null : reader.GetString(0),
                        reader.GetString(1),
                        reader.GetString(2),
                        reader.GetInt32(3),
                        reader.GetInt32(4),
                        reader.GetInt32(5),
                        await SecondsAsync(reader, 6, cancellation),
                        await SecondsAsync(reader, 7, cancellation)));
                }

                return found;
            },
            cancellation);

    private static async Task<TimeSpan?> SecondsAsync(NpgsqlDataReader reader, int column, CancellationToken cancellation) =>
        await reader.IsDBNullAsync(column, cancellation) ? null : TimeSpan.FromSeconds(Math.Max(0, reader.GetDouble(column)));
}
