using Broker.Core.Catalog;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// Shuts a role out, and drops it in the only order that leaves nothing behind: no more logins, hand over what it owns, take
/// away what it was granted, drop. DROP ROLE refuses while anything depends on the role, and leaves open sessions working:
/// who wants them ended ends them before, because afterwards nothing tells whose they are.
/// </summary>
internal sealed class UserRemoval(AdminConnections admin, RoleTransactions transactions, TimeProvider clock)
{
    private static readonly TimeSpan SessionsEndWithin = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromMilliseconds(25);

    /// <summary>No more logins, and its sessions end; returns when they have.</summary>
    /// <exception cref="DatabaseException">The server refuses, is not there, or the sessions do not end.</exception>
    public async Task ShutOutAsync(Database database, string username, CancellationToken cancellation)
    {
        if (await FindOursAsync(database, username, cancellation) is not { } user)
            return;
        await LetInNoMoreAsync(database, user, cancellation);
        await EndSessionsAsync(database, user, cancellation);
    }

    /// <summary>Drops the user; returns when it is gone, or was never there.</summary>
    /// <exception cref="DatabaseException">The server refuses, or is not there.</exception>
    public async Task DropAsync(Database database, string username, IReadOnlyList<string> statements, CancellationToken cancellation)
    {
        if (await FindOursAsync(database, username, cancellation) is not { } user)
            return;
        try
        {
            await LetInNoMoreAsync(database, user, cancellation);
            if (statements.Count > 0)
                await transactions.RunAsync(database, null, statements, cancellation);
            else
                await DropAsync(database, user, cancellation);
        }
        catch (DatabaseException exception) when (exception.Failure == DatabaseFailure.StatementRefused)
        {
            // Another replica, or a DBA, may have dropped it meanwhile.
            if (await FindAsync(database, username, cancellation) is null)
                return;
            throw;
        }
    }

    private async Task LetInNoMoreAsync(Database database, RoleRow user, CancellationToken cancellation)
    {
        var name = SqlText.Identifier(user.Name);
        // An administrator that is no superuser may end a role's sessions and drop what it owns only as its member.
        string[] statements = user.AdministratorIsMember
            ? [$"ALTER ROLE {name} NOLOGIN"]
            : [$"GRANT {name} TO CURRENT_USER", $"ALTER ROLE {name} NOLOGIN"];
        await transactions.RunAsync(database, null, statements, cancellation);
    }

    private async Task EndSessionsAsync(Database database, RoleRow user, CancellationToken cancellation)
    {
        var began = clock.GetTimestamp();
        while (await TerminateAsync(database, user, cancellation) is var open and > 0)
        {
            if (clock.GetElapsedTime(began) > SessionsEndWithin)
                throw new DatabaseException(
                    DatabaseFailure.Unavailable,
                    $"Database '{database.Name}': {open} sessions of '{user.Name}' did not end within {SessionsEndWithin.TotalSeconds} s; the user can log in no more, drop it again later.");
            await Task.Delay(LookAgainAfter, clock, cancellation);
        }
    }

    /// <summary>Tells the user's sessions to end, again and again: how many there still were.</summary>
    private Task<long> TerminateAsync(Database database, RoleRow user, CancellationToken cancellation) =>
        AdminReads.RunAsync(
            admin,
            database,
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usesysid = $1",
            [new NpgsqlParameter<uint> { TypedValue = user.Oid, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Oid }],
            async reader => await reader.ReadAsync(cancellation) ? reader.GetInt64(0) : 0,
            cancellation);

    private async Task DropAsync(Database database, RoleRow user, CancellationToken cancellation)
    {
        var name = SqlText.Identifier(user.Name);
        // What a role owns goes to the administrator before DROP OWNED, in the same transaction: DROP OWNED would drop
        // tables with their rows. Both see one database only, so it is done in each that holds anything of the role.
        foreach (var holding in await DatabasesHoldingAsync(database, user, cancellation))
            await transactions.RunAsync(
                database, holding, [$"REASSIGN OWNED BY {name} TO CURRENT_USER", $"DROP OWNED BY {name}"], cancellation);
        await transactions.RunAsync(database, null, [$"DROP ROLE IF EXISTS {name}"], cancellation);
    }

    /// <summary>The databases with objects or rights of the role; rights on databases themselves (dbid 0) can be taken away from any.</summary>
    private Task<List<string>> DatabasesHoldingAsync(Database database, RoleRow user, CancellationToken cancellation) =>
        AdminReads.RunAsync(
            admin,
            database,
            """
            SELECT DISTINCT d.datname::text
            FROM pg_shdepend s
            JOIN pg_database d ON d.oid = s.dbid OR (s.dbid = 0 AND d.datname = current_database())
            WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = $1
            ORDER BY 1
            """,
            [new NpgsqlParameter<uint> { TypedValue = user.Oid, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Oid }],
            async reader =>
            {
                var names = new List<string>();
                while (await reader.ReadAsync(cancellation))
                    names.Add(reader.GetString(0));
                return names;
            },
            cancellation);

    private async Task<RoleRow?> FindOursAsync(Database database, string username, CancellationToken cancellation)
    {
        var user = await FindAsync(database, username, cancellation);
        return user is { IsAdministrator: true }
            ? throw new DatabaseException(
                DatabaseFailure.StatementRefused,
                $"Database '{database.Name}': '{username}' is the broker's own administrator and is not dropped; give AdminConnectionString a user of its own.")
            : user;
    }

    private Task<RoleRow?> FindAsync(Database database, string username, CancellationToken cancellation) =>
        AdminReads.RunAsync(
            admin,
            database,
            "SELECT oid, pg_has_role(oid, 'USAGE'), rolname = current_user FROM pg_roles WHERE rolname = $1",
            [new NpgsqlParameter<string> { TypedValue = username }],
            async reader => await reader.ReadAsync(cancellation)
                ? new RoleRow(username, reader.GetFieldValue<uint>(0), reader.GetBoolean(1), reader.GetBoolean(2))
                : null,
            cancellation);

    private sealed record RoleRow(string Name, uint Oid, bool AdministratorIsMember, bool IsAdministrator);
}
