using Broker.Core.Catalog;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>Counts a server's limits and connections in one query.</summary>
internal static class ConnectionCount
{
    /// <remarks>
    /// Without pg_read_all_stats, <c>backend_type</c> of other roles' sessions is null: those count as clients when they are in
    /// a database, so that an administrator with few rights sees too many rather than too few (law L2). A role that was
    /// dropped leaves <c>usename</c> null. Until version 11 a replica's connection takes one of <c>max_connections</c> (https://www.postgresql.org/docs/12/release-12.html). <c>reserved_connections</c> exists from version 16 on,
    /// <c>rds.rds_superuser_reserved_connections</c> on Amazon RDS and Aurora. When the name that pods open is
    /// a pooler's alias and not a database of the server, the administrator's own database is meant. <c>application_name</c> ends with
    /// the key of the holder whose connection it is (<see cref="Identity.HolderName"/>), unless the client named itself otherwise.
    /// </remarks>
    private const string Query = """
        SELECT current_setting('max_connections', true)::int,
               coalesce(current_setting('superuser_reserved_connections', true)::int, 0)
                   + coalesce(current_setting('reserved_connections', true)::int, 0)
                   + coalesce(nullif(current_setting('rds.rds_superuser_reserved_connections', true), '')::int, 0),
               here.datconnlimit,
               users.usename,
               users.open,
               users.in_database,
               users.holder,
               pg_is_in_recovery(),
               host(inet_server_addr()) || ':' || inet_server_port(),
               has_function_privilege(to_regprocedure('pg_catalog.pg_control_system()')::oid, 'EXECUTE')
        FROM pg_database here
        LEFT JOIN LATERAL (
            SELECT a.usename::text, count(*)::int AS open, (count(*) FILTER (WHERE a.datid = here.oid))::int AS in_database,
                   CASE WHEN a.application_name ~ '.~[^~]{8}$' THEN right(a.application_name, 8) END AS holder
            FROM pg_stat_activity a
            WHERE a.backend_type = 'client backend'
               OR (a.backend_type = 'walsender' AND current_setting('server_version_num')::int < 120000)
               OR (a.backend_type IS NULL AND a.usesysid IS NOT NULL AND a.datid IS NOT NULL)
            GROUP BY 1, 4
        ) users ON true
        WHERE here.datname = coalesce((SELECT datname FROM pg_database WHERE datname = $1), current_database())
        ORDER BY users.usename
        """;

    /// <summary>Counts now.</summary>
    /// <exception cref="DatabaseException">The server is not there or refuses.</exception>
    public static async Task<ConnectionSample> TakeAsync(AdminConnections admin, Database database, CancellationToken cancellation)
    {
        var (sample, server) = await AdminReads.RunAsync(
            admin,
            database,
            Query,
            [new NpgsqlParameter<string> { TypedValue = database.DatabaseName }],
            reader => ReadAsync(reader, database, cancellation),
            cancellation);
        return sample with { Server = await server.NameAsync(admin, database, cancellation) };
    }

    private static async Task<(ConnectionSample, ServerIdentity)> ReadAsync(NpgsqlDataReader reader, Database database, CancellationToken cancellation)
    {
        ConnectionSample? sample = null;
        ServerIdentity? server = null;
        var users = new List<UserConnections>();
        var named = new Dictionary<string, int>(StringComparer.Ordinal);
        while (await reader.ReadAsync(cancellation))
        {
            // -1 is no limit; -2 marks a database that is being dropped and takes no connections (16 and later).
            sample ??= new(
                ServerLimit.Of(database, await reader.IsDBNullAsync(0, cancellation) ? null : reader.GetInt32(0), "max_connections"), reader.GetInt32(1), reader.GetInt32(2) is var limit && limit == -1 ? null : Math.Max(0, limit), users);
            server ??= new(
                reader.GetBoolean(7), await reader.IsDBNullAsync(8, cancellation) ? null : reader.GetString(8), !await reader.IsDBNullAsync(9, cancellation) && reader.GetBoolean(9));
            if (await reader.IsDBNullAsync(4, cancellation)) continue;
            var user = await reader.IsDBNullAsync(3, cancellation) ? null : reader.GetString(3);
            if (users.Count == 0 || users[^1].Username != user) // rows come by user
            {
                named = new(StringComparer.Ordinal);
                users.Add(new(user, 0, 0));
            }

            users[^1] = users[^1] with { Open = users[^1].Open + reader.GetInt32(4), InDatabase = users[^1].InDatabase + reader.GetInt32(5) };
            if (await reader.IsDBNullAsync(6, cancellation)) continue;
            named[reader.GetString(6)] = reader.GetInt32(4);
            users[^1] = users[^1] with { Named = named };
        }

        return sample is null || server is null ? throw new DatabaseException(
            DatabaseFailure.Unavailable, $"Database '{database.Name}': the server does not list its own database; check the administrator's rights on pg_database.")
            : (sample, server);
    }
}
