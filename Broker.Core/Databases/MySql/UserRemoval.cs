using System.Globalization;
using Broker.Core.Catalog;
using MySqlConnector;

namespace Broker.Core.Databases.MySql;

/// <summary>
/// Shuts a user out, and drops it: first its accounts are locked, so that nobody logs in meanwhile. DROP USER leaves open
/// sessions working; a caller that wants them ended ends them before. A user with whose rights something runs (<see cref="Definers"/>), or that the server
/// does not drop because it is a definer, is locked out and stays: nothing of it can be given to another without giving more, or fewer, rights than it had (law L13).
/// </summary>
internal sealed class UserRemoval(AdminConnections admin, AccountStatements statements, TimeProvider clock)
{
    private static readonly TimeSpan SessionsEndWithin = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan BlindAfter = TimeSpan.FromSeconds(1);

    /// <summary>
    /// No more logins, and its sessions end; returns when they have. Sessions of a dropped user end too. Each step is
    /// tried, whatever the outcome of the one before it: on a server that has become a replica nothing is locked, but the sessions that pods still have there end.
    /// </summary>
    /// <exception cref="DatabaseException">A step failed; the message says which, and why.</exception>
    public async Task ShutOutAsync(Database database, string username, CancellationToken cancellation)
    {
        await using var connection = await admin.OpenAsync(database, cancellation);
        var accounts = await FindOursAsync(connection, database, username, cancellation);
        if (!await AdminConnections.IsReadOnlyAsync(connection, database, cancellation))
        {
            await ShutOutAsync(connection, database, username, accounts, cancellation);
            return;
        }

        await AdminConnections.ClearAsync(connection);
        await EndSessionsAsync(connection, database, username, cancellation);
        throw MySqlFailure.OfReadOnly(database);
    }

    /// <summary>The sessions a user has; the server names them even when the user was dropped.</summary>
    /// <exception cref="DatabaseException">The server refuses, or is not there, or the administrator sees only its own sessions.</exception>
    public async Task<int> CountSessionsAsync(Database database, string username, CancellationToken cancellation)
    {
        await using var connection = await admin.OpenAsync(database, cancellation);
        return (await SessionsAsync(connection, database, username, cancellation)).Count;
    }

    /// <summary>Drops all accounts of the name; returns when they are gone, or were never there.</summary>
    /// <exception cref="DatabaseException">The server refuses, or is not there.</exception>
    public async Task DropAsync(Database database, string username, IReadOnlyList<string> revocation, CancellationToken cancellation)
    {
        await using var connection = await admin.OpenForChangeAsync(database, cancellation);
        var accounts = await FindOursAsync(connection, database, username, cancellation);
        if (accounts.Count > 0)
        {
            var last = revocation.Count > 0 ? revocation : [.. accounts.Select(account => $"DROP USER {SqlText.Account(account)}")];
            var isLockedOut = false;
            try
            {
                await UnlessGoneAsync(
                    connection,
                    database,
                    username,
                    async () =>
                    {
                        await LockAsync(connection, database, accounts);
                        if (await Definers.OfAsync(connection, database, username, alsoInvokers: false, cancellation) is { } theirs)
                        {
                            isLockedOut = true;
                            throw await LockedOutAsync(connection, database, username, accounts, $"{theirs.Names}, which run with its rights", $"{WhatToDo(connection)}, then DROP USER.", cancellation);
                        }

                        foreach (var statement in last)
                            await statements.RunOneAsync(connection, database, statement);
                    },
                    cancellation);
            }
            catch (DatabaseException refusal) when (refusal.Failure == DatabaseFailure.StillOwns && !isLockedOut)
            {
                // The administrator may lack the right to see what the server knows of.
                var defined = await Definers.OfAsync(connection, database, username, alsoInvokers: true, cancellation);
                throw await LockedOutAsync(connection, database, username, accounts, defined?.Names ?? "objects that the broker's administrator cannot see", refusal.Message, cancellation);
            }
        }

        // Its sessions go on with its rights, and nothing keeps them from defining something while their user is dropped, or after that.
        if (await Definers.OfAsync(connection, database, username, alsoInvokers: false, cancellation) is { } left)
            throw new DatabaseException(
                DatabaseFailure.StillOwns,
                $"Database '{database.Name}': '{username}' defined {left.Names} while it was dropped, or after that; it would run with the rights of whoever gets an account of that name: {WhatToDo(connection)}.");
    }

    private static string WhatToDo(MySqlConnection connection) =>
        "drop it, or create it again with " + (ServerFacts.IsMariaDb(connection) ? "SQL SECURITY INVOKER or " : "") + "another DEFINER that has no more rights (never an administrator)";

    private async Task<DatabaseException> LockedOutAsync(
        MySqlConnection connection, Database database, string username, List<Account> accounts, string theirs, string remedy, CancellationToken cancellation)
    {
        var locked = "It is locked out, and its sessions have ended";
        try
        {
            await ShutOutAsync(connection, database, username, accounts, cancellation);
        }
        catch (DatabaseException exception)
        {
            locked = exception.Message;
        }

        return new(
            DatabaseFailure.StillOwns,
            $"Database '{database.Name}': '{username}' is the definer of {theirs}. {locked}; what it defined keeps running until somebody looks at it: {remedy}");
    }

    private async Task ShutOutAsync(MySqlConnection connection, Database database, string username, List<Account> accounts, CancellationToken cancellation)
    {
        DatabaseException? notLocked = null;
        try
        {
            await UnlessGoneAsync(connection, database, username, () => LockAsync(connection, database, accounts), cancellation);
        }
        catch (DatabaseException exception) when (exception.Failure == DatabaseFailure.StatementRefused)
        {
            notLocked = exception;
        }

        try
        {
            await EndSessionsAsync(connection, database, username, cancellation);
        }
        catch (DatabaseException exception) when (notLocked is not null)
        {
            throw new DatabaseException(exception.Failure, $"It can still log in: {notLocked.Message} {exception.Message}");
        }

        if (notLocked is not null)
            throw new DatabaseException(notLocked.Failure, $"Its sessions have ended, but it can still log in: {notLocked.Message}");
    }

    private async Task LockAsync(MySqlConnection connection, Database database, List<Account> accounts)
    {
        foreach (var account in accounts)
            await statements.RunOneAsync(connection, database, $"ALTER USER {SqlText.Account(account)} ACCOUNT LOCK");
    }

    private static async Task UnlessGoneAsync(
        MySqlConnection connection, Database database, string username, Func<Task> work, CancellationToken cancellation)
    {
        try
        {
            await work();
        }
        catch (DatabaseException exception) when (exception.Failure == DatabaseFailure.StatementRefused)
        {
            // Another replica, or a DBA, may have dropped it meanwhile.
            if ((await Accounts.OfAsync(connection, database, username, cancellation)).Count > 0)
                throw;
        }
    }

    private static async Task<List<Account>> FindOursAsync(
        MySqlConnection connection, Database database, string username, CancellationToken cancellation) =>
        await Accounts.IsOwnAsync(connection, database, username, cancellation)
            ? throw new DatabaseException(
                DatabaseFailure.StatementRefused,
                $"Database '{database.Name}': '{username}' is the broker's own administrator and is not dropped; use a separate user for AdminConnectionString.")
            : await Accounts.OfAsync(connection, database, username, cancellation);

    private async Task EndSessionsAsync(MySqlConnection connection, Database database, string username, CancellationToken cancellation)
    {
        var began = clock.GetTimestamp();
        while (await SessionsAsync(connection, database, username, cancellation) is { Count: > 0 } open)
        {
            if (clock.GetElapsedTime(began) > SessionsEndWithin)
                throw new DatabaseException(
                    DatabaseFailure.Unavailable,
                    $"Database '{database.Name}': {open.Count} sessions of '{username}' did not end within {SessionsEndWithin.TotalSeconds} s; the broker tells them again later.");
            foreach (var session in open)
                await KillAsync(connection, database, session);
            await Task.Delay(LookAgainAfter, clock, cancellation);
        }
    }

    /// <summary>On Amazon RDS nobody may KILL another user's connection; its own procedure does it for the master user.</summary>
    private async Task KillAsync(MySqlConnection connection, Database database, ulong session)
    {
        try
        {
            await statements.RunOneAsync(
                connection, database, Say($"KILL CONNECTION {session}"), refusal => MySqlFailure.IsNoSuchThread(refusal) || MySqlFailure.IsKillDenied(refusal));
        }
        catch (MySqlException refusal) when (MySqlFailure.IsKillDenied(refusal))
        {
            try
            {
                await statements.RunOneAsync(connection, database, Say($"CALL mysql.rds_kill({session})"), MySqlFailure.IsNoSuchThread);
            }
            catch (MySqlException gone) when (MySqlFailure.IsNoSuchThread(gone))
            {
                // It ended by itself, between the two.
            }
            catch (DatabaseException inVain) when (inVain.Failure == DatabaseFailure.StatementRefused)
            {
                throw MySqlFailure.OfStatement(database, refusal);
            }
        }
        catch (MySqlException refusal) when (MySqlFailure.IsNoSuchThread(refusal))
        {
            // It ended by itself.
        }
    }

    private async Task<List<ulong>> SessionsAsync(MySqlConnection connection, Database database, string username, CancellationToken cancellation)
    {
        var sessions = new List<ulong>();
        await AdminReads.RunAsync(
            connection,
            database,
            $"SELECT ID FROM information_schema.PROCESSLIST WHERE CAST(USER AS BINARY) = {SqlText.Bytes(username)}",
            row => sessions.Add(row.GetUInt64(0)),
            cancellation);
        return sessions.Count > 0 || await SeesOthersAsync(connection, database, cancellation) ? sessions : throw new DatabaseException(
            DatabaseFailure.StatementRefused,
            $"Database '{database.Name}': whether '{username}' has sessions cannot be seen, because the broker's administrator sees none but its own: GRANT PROCESS ON *.* TO it.");
    }

    // An administrator without PROCESS sees only its own sessions, and is not told so. The list and the number beside it are from two moments: a client
    // that comes or goes between them is in only one of them, for a short time.
    private async Task<bool> SeesOthersAsync(MySqlConnection connection, Database database, CancellationToken cancellation)
    {
        var began = clock.GetTimestamp();
        while (true)
        {
            var (own, seen, connected) = (0L, 0L, 0L);
            await AdminReads.RunAsync(
                connection,
                database,
                "SELECT COALESCE(SUM(USER = SUBSTRING_INDEX(USER(), '@', 1)), 0), COUNT(*) FROM information_schema.PROCESSLIST",
                row => (own, seen) = (Convert.ToInt64(row.GetValue(0), CultureInfo.InvariantCulture), row.GetInt64(1)),
                cancellation);
            if (seen > own) return true;
            await AdminReads.RunAsync(
                connection, database, "SHOW GLOBAL STATUS LIKE 'Threads_connected'", row => connected = Convert.ToInt64(row.GetValue(1), CultureInfo.InvariantCulture), cancellation);
            if (connected <= own) return true;
            if (clock.GetElapsedTime(began) > BlindAfter) return false;
            await Task.Delay(LookAgainAfter, clock, cancellation);
        }
    }

    private static string Say(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
