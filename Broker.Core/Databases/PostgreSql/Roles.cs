using System.Collections.Concurrent;
using Broker.Core.Catalog;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// Finds roles, and remembers the number of each that it found: a session of a role that was dropped later has no name,
/// and only that number says whose it was.
/// </summary>
internal sealed class Roles(AdminConnections admin)
{
    /// <summary>A replica revokes a few users at a time; older entries than these are over.</summary>
    private const int MostRemembered = 10_000;

    private readonly ConcurrentDictionary<(string Database, string Username), uint> numbers = new();

    /// <summary>A role, refused when it is the administrator itself; null: there is no role of that name.</summary>
    /// <exception cref="DatabaseException">It is the administrator, or the server is not there.</exception>
    public async Task<RoleRow?> FindOursAsync(Database database, string username, CancellationToken cancellation)
    {
        var user = await FindAsync(database, username, cancellation);
        return user is { IsAdministrator: true }
            ? throw new DatabaseException(
                DatabaseFailure.StatementRefused,
                $"Database '{database.Name}': '{username}' is the broker's own administrator and is not dropped; use a separate user for AdminConnectionString.")
            : user;
    }

    /// <summary>A role; null: there is no role of that name.</summary>
    /// <exception cref="DatabaseException">The server is not there.</exception>
    public async Task<RoleRow?> FindAsync(Database database, string username, CancellationToken cancellation)
    {
        var found = await AdminReads.RunAsync(
            admin,
            database,
            "SELECT oid, pg_has_role(oid, 'USAGE'), rolname = current_user, rolcanlogin FROM pg_roles WHERE rolname = $1",
            [new NpgsqlParameter<string> { TypedValue = username }],
            async reader => await reader.ReadAsync(cancellation)
                ? new RoleRow(username, reader.GetFieldValue<uint>(0), reader.GetBoolean(1), reader.GetBoolean(2), reader.GetBoolean(3))
                : null,
            cancellation);
        if (found is not null)
        {
            if (numbers.Count >= MostRemembered) numbers.Clear();
            numbers[(database.Name, username)] = found.Oid;
        }

        return found;
    }

    /// <summary>The number of a role that existed when it was last looked up; null: this replica never saw it.</summary>
    public uint? Remembered(Database database, string username) =>
        numbers.TryGetValue((database.Name, username), out var number) ? number : null;

    /// <summary>Forgets a role that is gone, with all its sessions.</summary>
    public void Forget(Database database, string username) => numbers.TryRemove((database.Name, username), out _);
}

/// <summary>A role as the server has it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Oid">Its number.</param>
/// <param name="AdministratorIsMember">Whether the administrator has its rights.</param>
/// <param name="IsAdministrator">Whether it is the administrator.</param>
/// <param name="CanLogIn">Whether it may log in.</param>
internal sealed record RoleRow(string Name, uint Oid, bool AdministratorIsMember, bool IsAdministrator, bool CanLogIn);
