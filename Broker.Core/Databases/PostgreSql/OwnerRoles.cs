using Broker.Core.Catalog;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// The role that gets a dropped user's objects (<see cref="Role.OwnerRole"/>), and the conditions it has to meet so that nobody gains by it
/// (law L13): it must be nothing that the user could not have been itself.
/// </summary>
internal static class OwnerRoles
{
    /// <summary>
    /// Before version 16 every member of a role can become it. Since then a membership says separately whether the member can become it (SET) and whether
    /// it has the role's rights without that (INHERIT); REASSIGN OWNED needs both of the administrator, and either of them is as good as the role
    /// for its user. https://www.postgresql.org/docs/current/role-membership.html
    /// </summary>
    private const string Query = """
        SELECT o.rolname::text,
               o.rolname = current_user,
               pg_has_role(o.oid, current_user, 'MEMBER'),
               o.rolcanlogin,
               concat_ws(', ', CASE WHEN o.rolsuper THEN 'SUPERUSER' END, CASE WHEN o.rolcreaterole THEN 'CREATEROLE' END, CASE WHEN o.rolcreatedb THEN 'CREATEDB' END,
                         CASE WHEN o.rolreplication THEN 'REPLICATION' END, CASE WHEN o.rolbypassrls THEN 'BYPASSRLS' END),
               coalesce(CASE WHEN here.newer THEN pg_has_role(u.oid, o.oid, 'USAGE') OR pg_has_role(u.oid, o.oid, 'SET') ELSE pg_has_role(u.oid, o.oid, 'MEMBER') END, false),
               pg_has_role(o.oid, 'USAGE') AND CASE WHEN here.newer THEN pg_has_role(o.oid, 'SET') ELSE true END,
               current_user::text
        FROM (SELECT current_setting('server_version_num')::int >= 160000 AS newer) here, pg_roles o LEFT JOIN pg_roles u ON u.rolname = $1
        """;

    /// <summary>Checks, on an open connection, whether what this user owns may go to that role.</summary>
    /// <exception cref="DatabaseException">It may not; the message says why and what to do.</exception>
    public static async Task CheckAsync(NpgsqlConnection connection, Database database, string username, string ownerRole, CancellationToken cancellation)
    {
        try
        {
            if (Fault(await AdminReads.RunAsync(connection, ByName, Names(username, ownerRole), reader => ReadAsync(reader, cancellation), cancellation), username, ownerRole) is { } fault)
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
        if (Fault(await AdminReads.RunAsync(admin, database, ByName, Names(username, ownerRole), reader => ReadAsync(reader, cancellation), cancellation), username, ownerRole) is { } fault)
            throw Refused(database, fault);
    }

    /// <summary>
    /// Why a role's own statements, in a transaction that is still open, may not give what the user owned to a role: in words, with the role's name; null: they may.
    /// It is asked beside the transaction, where the user is still what it was.
    /// </summary>
    /// <param name="admin">Opens connections.</param>
    /// <param name="database">The database.</param>
    /// <param name="username">The user.</param>
    /// <param name="newOwner">The role's oid.</param>
    /// <param name="inside">The connection with the transaction.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="DatabaseException">The server is not there or refuses.</exception>
    public static async Task<string?> GrowthAsync(AdminConnections admin, Database database, string username, uint newOwner, NpgsqlConnection inside, CancellationToken cancellation) =>
        await AdminReads.RunBesideAsync(
            admin, database, null, inside, $"{Query} WHERE o.oid = $2", [new NpgsqlParameter<string> { TypedValue = username }, Ownership.Oid(newOwner)],
            reader => ReadAsync(reader, cancellation), cancellation) switch
        {
            null => "a role that they make themselves, of which it was no member",
            { IsAdministrator: true } it => $"the administrator '{it.Name}'",
            { IsOfAdministrator: true } it => $"'{it.Name}', which has the administrator's rights",
            { Attributes.Length: > 0 } it => $"'{it.Name}', which has {it.Attributes}",
            { UserIsMember: false } it => $"'{it.Name}', of which it was no member",
            _ => null,
        };

    private const string ByName = $"{Query} WHERE o.rolname = $2";

    private static NpgsqlParameter[] Names(string username, string ownerRole) =>
        [new NpgsqlParameter<string> { TypedValue = username }, new NpgsqlParameter<string> { TypedValue = ownerRole }];

    private static async Task<NewOwner?> ReadAsync(NpgsqlDataReader reader, CancellationToken cancellation) => await reader.ReadAsync(cancellation)
        ? new(
            reader.GetString(0), reader.GetBoolean(1), reader.GetBoolean(2), reader.GetBoolean(3), reader.GetString(4), reader.GetBoolean(5), reader.GetBoolean(6),
            reader.GetString(7))
        : null;

    // What is wrong with the role, and what mends it; null: nothing.
    private static string? Fault(NewOwner? owner, string username, string ownerRole)
    {
        var name = SqlText.Identifier(ownerRole);
        if (owner is null)
            return $"the server has no role '{ownerRole}'; create it: CREATE ROLE {name} NOLOGIN";
        var administrator = SqlText.Identifier(owner.Administrator);
        if (owner.IsAdministrator)
            return $"'{ownerRole}' is the broker's own administrator, and what a user left would run with its rights; name a separate role: CREATE ROLE … NOLOGIN";
        if (owner.Attributes.Length > 0)
            return $"'{ownerRole}' has {owner.Attributes}, which is more than the users of the role have; revoke it, or name another role";
        if (owner.IsOfAdministrator)
            return $"'{ownerRole}' is a member of the broker's administrator and has its rights; take that away: REVOKE {administrator} FROM {name}";
        if (owner.CanLogIn)
            return $"'{ownerRole}' can log in, so it is somebody's; name a role of its own, or ALTER ROLE {name} NOLOGIN";
        if (!owner.UserIsMember)
            return $"'{username}' is not a member of '{ownerRole}', which may have more rights; make the role's users its members in CreationStatements: GRANT {name} TO \"{{{{name}}}}\"";
        return owner.AdministratorMayAct
            ? null
            : $"the broker's administrator cannot act as '{ownerRole}'; let it: GRANT {name} TO {administrator}";
    }

    private static DatabaseException Refused(Database database, string fault) =>
        new(DatabaseFailure.StatementRefused, $"Database '{database.Name}': OwnerRole cannot own what its role's users leave: {fault}.");

    /// <param name="Name">Its name.</param>
    /// <param name="IsAdministrator">It is the broker's administrator.</param>
    /// <param name="IsOfAdministrator">It is a member of the broker's administrator.</param>
    /// <param name="CanLogIn">It may log in.</param>
    /// <param name="Attributes">What it has that a role's users do not, comma-separated.</param>
    /// <param name="UserIsMember">The user could have been it, or had its rights.</param>
    /// <param name="AdministratorMayAct">The broker's administrator may hand over to it.</param>
    /// <param name="Administrator">The broker's administrator.</param>
    private sealed record NewOwner(
        string Name, bool IsAdministrator, bool IsOfAdministrator, bool CanLogIn, string Attributes, bool UserIsMember, bool AdministratorMayAct, string Administrator);
}
