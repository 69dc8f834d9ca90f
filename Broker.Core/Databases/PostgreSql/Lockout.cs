using Broker.Core.Catalog;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// Keeps a role from logging in and ends its sessions. Since version 16 an administrator may change only the roles that it, or its own
/// creator, made: each step is tried on its own, because a session can be ended even when a login cannot be
/// taken away.
/// </summary>
internal sealed class Lockout(AdminConnections admin, RoleTransactions transactions, Roles roles, TimeProvider clock)
{
    private static readonly TimeSpan SessionsEndWithin = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromMilliseconds(25);

    /// <summary>Shuts a user out; a user that is gone may have left sessions, and they end too.</summary>
    /// <exception cref="DatabaseException">A step failed; the message says which, and why.</exception>
    public async Task ShutOutAsync(Database database, string username, CancellationToken cancellation)
    {
        if (await roles.FindOursAsync(database, username, cancellation) is { } user)
            await ShutOutAsync(database, user, cancellation);
        else if (roles.Remembered(database, username) is { } number)
            await EndSessionsAsync(database, username, number, cancellation);
    }

    /// <summary>Shuts a role out.</summary>
    /// <exception cref="DatabaseException">A step failed; the message says which, and why.</exception>
    public async Task ShutOutAsync(Database database, RoleRow user, CancellationToken cancellation)
    {
        var faults = new List<DatabaseException>();
        await LetInNoMoreAsync(database, user, faults, cancellation);
        var refused = faults.Count > 0;
        try
        {
            await EndSessionsAsync(database, user.Name, user.Oid, cancellation);
        }
        catch (DatabaseException exception)
        {
            faults.Add(exception);
        }

        if (faults.Count == 0) return;
        var still = refused ? "it can still log in" : "it can no longer log in";
        throw new DatabaseException(
            faults[0].Failure, $"Database '{database.Name}': '{user.Name}' could not be shut out completely ({still}): {string.Join(" ", faults.Select(fault => fault.Message).Distinct())}");
    }

    /// <summary>Keeps the role from logging in.</summary>
    /// <exception cref="DatabaseException">The server refuses, or is not there.</exception>
    public async Task LetInNoMoreAsync(Database database, RoleRow user, CancellationToken cancellation)
    {
        var faults = new List<DatabaseException>();
        await LetInNoMoreAsync(database, user, faults, cancellation);
        if (faults.Count > 0) throw faults[^1];
    }

    /// <summary>
    /// The sessions a user has, including those left by a dropped user. If this replica never saw the user, those of all
    /// users that no longer exist may be its own.
    /// </summary>
    /// <exception cref="DatabaseException">The server is not there.</exception>
    public async Task<int> CountSessionsAsync(Database database, string username, CancellationToken cancellation)
    {
        var number = (await roles.FindAsync(database, username, cancellation))?.Oid ?? roles.Remembered(database, username);
        return await AdminReads.RunAsync(
            admin,
            database,
            number is null
                ? "SELECT count(*)::int FROM pg_stat_activity WHERE usesysid IS NOT NULL AND usename IS NULL"
                : "SELECT count(*)::int FROM pg_stat_activity WHERE usesysid = $1",
            number is { } known ? [Ownership.Oid(known)] : [],
            async reader => await reader.ReadAsync(cancellation) ? reader.GetInt32(0) : 0,
            cancellation);
    }

    private async Task LetInNoMoreAsync(Database database, RoleRow user, List<DatabaseException> faults, CancellationToken cancellation)
    {
        var name = SqlText.Identifier(user.Name);
        // An administrator that is no superuser may end a role's sessions and drop what it owns only as a member of that role.
        if (!user.AdministratorIsMember) await TryAsync(database, $"GRANT {name} TO CURRENT_USER", faults, cancellation);
        if (!user.CanLogIn) faults.Clear();
        else if (await TryAsync(database, $"ALTER ROLE {name} NOLOGIN", faults, cancellation)) faults.Clear();
    }

    private async Task<bool> TryAsync(Database database, string statement, List<DatabaseException> faults, CancellationToken cancellation)
    {
        try
        {
            await transactions.RunAsync(database, null, [statement], cancellation);
            return true;
        }
        catch (DatabaseException exception) when (exception.Failure == DatabaseFailure.StatementRefused)
        {
            faults.Add(exception);
            return false;
        }
    }

    private async Task EndSessionsAsync(Database database, string username, uint number, CancellationToken cancellation)
    {
        var began = clock.GetTimestamp();
        while (await TerminateAsync(database, number, cancellation) is var open and > 0)
        {
            if (clock.GetElapsedTime(began) > SessionsEndWithin)
                throw new DatabaseException(
                    DatabaseFailure.Unavailable,
                    $"Database '{database.Name}': {open} sessions of '{username}' did not end within {SessionsEndWithin.TotalSeconds} s; the broker tells them again later.");
            await Task.Delay(LookAgainAfter, clock, cancellation);
        }
    }

    /// <summary>Tells the user's sessions to end, again and again; answers how many were still there.</summary>
    private async Task<long> TerminateAsync(Database database, uint number, CancellationToken cancellation)
    {
        try
        {
            return await AdminReads.RunAsync(
                admin,
                database,
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usesysid = $1",
                [Ownership.Oid(number)],
                async reader => await reader.ReadAsync(cancellation) ? reader.GetInt64(0) : 0,
                cancellation);
        }
        catch (DatabaseException exception) when (exception.Failure == DatabaseFailure.StatementRefused)
        {
            throw new DatabaseException(
                DatabaseFailure.StatementRefused, $"{exception.Message} Let the broker's administrator end sessions of users that others made: GRANT pg_signal_backend TO it.");
        }
    }
}
