using Broker.Core.Catalog;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// The role that gets a dropped user's objects (<see cref="Role.OwnerRole"/>), and the conditions it has to meet so that nobody gains by it
/// (law L13): it must be nothing that the user could not have been itself.
/// </summary>
internal static class OwnerRoles
{
    /// <summary>Checks, on an open connection, whether what this user owns may go to that role.</summary>
    /// <exception cref="DatabaseException">It may not; the message says why and what to do.</exception>
    public static async Task CheckAsync(NpgsqlConnection connection, Database database, string username, string ownerRole, CancellationToken cancellation)
    {
        try
        {
            if (await AdminReads.RunAsync(connection, Query(connection), Names(username, ownerRole), reader => FaultAsync(reader, username, ownerRole, cancellation), cancellation) is { } fault)
                throw Refused(database, fault);
        }
        catch (Exception exception) when (PostgreSqlFailure.Covers(exception, cancellation))
        {
            throw PostgreSqlFailure.OfStatement(database, exception);
        }
    }

    /// <summary>Checks the same, on a connection of its own.</summary>
    /// <exception cref="DatabaseException">It may not; the message says why and what to do.</exception>
    public static async Task CheckAsync(AdminConnections admin, Database database, string username, string ownerRole, CancellationToken cancellation)
    {
        await using var connection = await admin.OpenAsync(database, null, cancellation);
        await CheckAsync(connection, database, username, ownerRole, cancellation);
    }

    /// <summary>
    /// Before version 16 every member of a role can become it. Since then a membership says separately whether the member can become it (SET) and whether
    /// it has the role's rights without that (INHERIT); REASSIGN OWNED needs both of the administrator, and either of them is as good as the role
    /// for its user. https://www.postgresql.org/docs/current/role-membership.html
    /// </summary>
    private static string Query(NpgsqlConnection connection)
    {
        var (userIs, administratorMaySet) = connection.PostgreSqlVersion.Major >= 16
            ? ("pg_has_role(u.oid, o.oid, 'USAGE') OR pg_has_role(u.oid, o.oid, 'SET')", "pg_has_role(o.oid, 'USAGE') AND pg_has_role(o.oid, 'SET')")
            : ("pg_has_role(u.oid, o.oid, 'MEMBER')", "pg_has_role(o.oid, 'USAGE')");
        return $"""
            SELECT o.rolname = current_user,
                   pg_has_role(o.oid, current_user, 'MEMBER'),
                   o.rolcanlogin,
                   concat_ws(', ', CASE WHEN o.rolsuper THEN 'SUPERUSER' END, CASE WHEN o.rolcreaterole THEN 'CREATEROLE' END, CASE WHEN o.rolcreatedb THEN 'CREATEDB' END,
                             CASE WHEN o.rolreplication THEN 'REPLICATION' END, CASE WHEN o.rolbypassrls THEN 'BYPASSRLS' END),
                   coalesce({userIs}, false),
                   {administratorMaySet},
                   current_user::text
            FROM pg_roles o LEFT JOIN pg_roles u ON u.rolname = $1
            WHERE o.rolname = $2
            """;
    }

    private static NpgsqlParameter[] Names(string username, string ownerRole) =>
        [new NpgsqlParameter<string> { TypedValue = username }, new NpgsqlParameter<string> { TypedValue = ownerRole }];

    // What is wrong with the role, and what mends it; null: nothing.
    private static async Task<string?> FaultAsync(NpgsqlDataReader reader, string username, string ownerRole, CancellationToken cancellation)
    {
        var name = SqlText.Identifier(ownerRole);
        if (!await reader.ReadAsync(cancellation))
            return $"the server has no role '{ownerRole}'; create it: CREATE ROLE {name} NOLOGIN";
        var administrator = SqlText.Identifier(reader.GetString(6));
        if (reader.GetBoolean(0))
            return $"'{ownerRole}' is the broker's own administrator, and what a user left would run with its rights; name a separate role: CREATE ROLE … NOLOGIN";
        if (reader.GetString(3) is { Length: > 0 } attributes)
            return $"'{ownerRole}' has {attributes}, which is more than the users of the role have; revoke it, or name another role";
        if (reader.GetBoolean(1))
            return $"'{ownerRole}' is a member of the broker's administrator and has its rights; take that away: REVOKE {administrator} FROM {name}";
        if (reader.GetBoolean(2))
            return $"'{ownerRole}' can log in, so it is somebody's; name a role of its own, or ALTER ROLE {name} NOLOGIN";
        if (!reader.GetBoolean(4))
            return $"'{username}' is not a member of '{ownerRole}', which may have more rights; make the role's users its members in CreationStatements: GRANT {name} TO \"{{{{name}}}}\"";
        return reader.GetBoolean(5)
            ? null
            : $"the broker's administrator cannot act as '{ownerRole}'; let it: GRANT {name} TO {administrator}";
    }

    private static DatabaseException Refused(Database database, string fault) =>
        new(DatabaseFailure.StatementRefused, $"Database '{database.Name}': OwnerRole cannot own what its role's users leave: {fault}.");
}
