using Broker.Core.Catalog;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>Counts a server's limits and connections in one query.</summary>
internal static class ConnectionCount
{
    /// <remarks>
    /// Without pg_read_all_stats, <c>backend_type</c> of other roles' sessions is null: those count as clients when they are in
    /// a database, so that an administrator with few rights sees too many rather than too few (law L2). A role that was
    /// dropped leaves <c>usename</c> null. <c>reserved_connections</c> exists from version 16 on,
    /// <c>rds.rds_superuser_reserved_connections</c> on Amazon RDS and Aurora. When the name that pods open is
    /// a pooler's alias and no database of the server, the administrator's own database is meant.
    /// </remarks>
    private const string Query = """
        SELECT current_setting('max_connections', true)::int,
               coalesce(current_setting('superuser_reserved_connections', true)::int, 0)
                   + coalesce(current_setting('reserved_connections', true)::int, 0)
                   + coalesce(nullif(current_setting('rds.rds_superuser_reserved_connections', true), '')::int, 0),
               here.datconnlimit,
               users.usename,
               users.open,
               users.in_database
        FROM pg_database here
        LEFT JOIN LATERAL (
            SELECT a.usename::text, count(*)::int AS open, (count(*) FILTER (WHERE a.datid = here.oid))::int AS in_database
            FROM pg_stat_activity a
            WHERE a.backend_type = 'client backend'
               OR (a.backend_type IS NULL AND a.usesysid IS NOT NULL AND a.datid IS NOT NULL)
            GROUP BY 1
        ) users ON true
        WHERE here.datname = coalesce((SELECT datname FROM pg_database WHERE datname = $1), current_database())
        ORDER BY users.usename
        """;

    /// <summary>Counts now.</summary>
    /// <exception cref="DatabaseException">The server is not there or refuses.</exception>
    public static Task<ConnectionSample> TakeAsync(AdminConnections admin, Database database, CancellationToken cancellation) =>
        AdminReads.RunAsync(
            admin,
            database,
            Query,
            [new NpgsqlParameter<string> { TypedValue = database.DatabaseName }],
            reader => ReadAsync(reader, database, cancellation),
            cancellation);

    private static async Task<ConnectionSample> ReadAsync(NpgsqlDataReader reader, Database database, CancellationToken cancellation)
    {
        ConnectionSample? sample = null;
        var users = new List<UserConnections>();
        while (await reader.ReadAsync(cancellation))
        {
            // -1 is no limit; -2 marks a database that was being dropped and takes no connections (16 and later).
            sample ??= new(
                ServerLimit.Of(database, await reader.IsDBNullAsync(0, cancellation) ? null : reader.GetInt32(0), "max_connections"), reader.GetInt32(1), reader.GetInt32(2) is var limit && limit == -1 ? null : Math.Max(0, limit), users);
            if (!await reader.IsDBNullAsync(4, cancellation))
                users.Add(new(
                    await reader.IsDBNullAsync(3, cancellation) ? null : reader.GetString(3), reader.GetInt32(4), reader.GetInt32(5)));
        }

        return sample ?? throw new DatabaseException(
            DatabaseFailure.Unavailable, $"Database '{database.Name}': the server does not list its own database; check the administrator's rights on pg_database.");
    }
}
