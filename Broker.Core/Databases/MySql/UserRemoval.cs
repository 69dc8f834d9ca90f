using System.Globalization;
using Broker.Core.Catalog;
using MySqlConnector;

namespace Broker.Core.Databases.MySql;

/// <summary>
/// Shuts a user out, and drops it: first its accounts are locked, so that nobody logs in meanwhile. DROP USER leaves open
/// sessions working; who wants them ended ends them before.
/// </summary>
internal sealed class UserRemoval(AdminConnections admin, AccountStatements statements, TimeProvider clock)
{
    private static readonly TimeSpan SessionsEndWithin = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromMilliseconds(25);

    /// <summary>No more logins, and its sessions end; returns when they have. Sessions of a user that is dropped already end too.</summary>
    /// <exception cref="DatabaseException">The server refuses, is not there, or the sessions do not end.</exception>
    public async Task ShutOutAsync(Database database, string username, CancellationToken cancellation)
    {
        await using var connection = await admin.OpenAsync(database, cancellation);
        var accounts = await FindOursAsync(connection, database, username, cancellation);
        await UnlessGoneAsync(connection, database, username, () => LockAsync(connection, database, accounts), cancellation);
        await EndSessionsAsync(connection, database, username, cancellation);
    }

    /// <summary>Drops all accounts of the name; returns when they are gone, or were never there.</summary>
    /// <exception cref="DatabaseException">The server refuses, or is not there.</exception>
    public async Task DropAsync(Database database, string username, IReadOnlyList<string> revocation, CancellationToken cancellation)
    {
        await using var connection = await admin.OpenAsync(database, cancellation);
        var accounts = await FindOursAsync(connection, database, username, cancellation);
        if (accounts.Count == 0)
            return;
        var last = revocation.Count > 0 ? revocation : [.. accounts.Select(account => $"DROP USER {SqlText.Account(account)}")];
        await UnlessGoneAsync(
            connection,
            database,
            username,
            async () =>
            {
                await LockAsync(connection, database, accounts);
                foreach (var statement in last)
                    await statements.RunOneAsync(connection, database, statement);
            },
            cancellation);
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
                $"Database '{database.Name}': '{username}' is the broker's own administrator and is not dropped; give AdminConnectionString a user of its own.")
            : await Accounts.OfAsync(connection, database, username, cancellation);

    private async Task EndSessionsAsync(MySqlConnection connection, Database database, string username, CancellationToken cancellation)
    {
        var began = clock.GetTimestamp();
        while (await SessionsAsync(connection, database, username, cancellation) is { Count: > 0 } open)
        {
            if (clock.GetElapsedTime(began) > SessionsEndWithin)
                throw new DatabaseException(
                    DatabaseFailure.Unavailable,
                    $"Database '{database.Name}': {open.Count} sessions of '{username}' did not end within {SessionsEndWithin.TotalSeconds} s; the user can log in no more, drop it again later.");
            foreach (var session in open)
                await KillAsync(connection, database, session);
            await Task.Delay(LookAgainAfter, clock, cancellation);
        }
    }

    /// <summary>On Amazon RDS nobody may KILL another's connection; its own procedure does it for the master user.</summary>
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
                await statements.RunOneAsync(connection, database, Say($"CALL mysql.rds_kill({session})"));
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

    private static async Task<List<ulong>> SessionsAsync(MySqlConnection connection, Database database, string username, CancellationToken cancellation)
    {
        var sessions = new List<ulong>();
        await AdminReads.RunAsync(
            connection,
            database,
            $"SELECT ID FROM information_schema.PROCESSLIST WHERE CAST(USER AS BINARY) = {SqlText.Bytes(username)}",
            row => sessions.Add(row.GetUInt64(0)),
            cancellation);
        return sessions;
    }

    private static string Say(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
