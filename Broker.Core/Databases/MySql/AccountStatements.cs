using Broker.Core.Catalog;
using MySqlConnector;

namespace Broker.Core.Databases.MySql;

/// <summary>
/// Runs role statements, one after the other: the servers commit before and after each statement on accounts, so no
/// transaction can undo them together. A statement that waited in vain for a lock, or lost a deadlock, is tried again after a short
/// random pause.
/// </summary>
internal sealed class AccountStatements(AdminConnections admin, TimeProvider clock)
{
    private const int Tries = 3;
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(20);

    /// <summary>Runs them. Cancellation is heeded until the first is sent: stopping halfway through a role's statements is worse than finishing.</summary>
    /// <exception cref="DatabaseException">One was refused, the server is not there, or the answer was lost.</exception>
    public async Task RunAsync(Database database, IReadOnlyList<string> statements, CancellationToken cancellation)
    {
        await using var connection = await admin.OpenForChangeAsync(database, cancellation);
        await RunAllAsync(connection, database, statements);
    }

    /// <summary>Runs those that make a user; when one is refused, the user that those before it made is dropped again.</summary>
    /// <exception cref="DatabaseException">One was refused, the server is not there, or the answer was lost.</exception>
    public async Task CreateUserAsync(Database database, string username, IReadOnlyList<string> statements, CancellationToken cancellation)
    {
        await using var connection = await admin.OpenForChangeAsync(database, cancellation);
        // The undoing must not drop somebody else's user of that name.
        if ((await Accounts.OfAsync(connection, database, username, cancellation)).Count > 0)
            throw new DatabaseException(DatabaseFailure.StatementRefused, $"Database '{database.Name}': user '{username}' already exists.");
        try
        {
            await RunAllAsync(connection, database, statements);
        }
        catch (DatabaseException failure) when (failure.Failure != DatabaseFailure.AnswerLost)
        {
            await UndoAsync(connection, database, username, failure);
            throw;
        }
    }

    /// <summary>Runs one statement, and repeats it when it collided.</summary>
    /// <exception cref="DatabaseException">It was refused, the server is not there, or the answer was lost.</exception>
    /// <exception cref="MySqlException">The server refused it with an error that <paramref name="theirs"/> handles itself.</exception>
    public async Task RunOneAsync(MySqlConnection connection, Database database, string statement, Predicate<MySqlException>? theirs = null)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await using var command = new MySqlCommand(statement, connection);
                await command.ExecuteNonQueryAsync(CancellationToken.None);
                return;
            }
            catch (MySqlException exception) when (attempt < Tries && MySqlFailure.IsCollision(exception))
            {
                await Task.Delay(FirstPause * (Random.Shared.NextDouble() + 0.5) * (1 << attempt), clock, CancellationToken.None);
            }
            catch (Exception exception) when (MySqlFailure.Covers(exception, CancellationToken.None) && !(exception is MySqlException known && theirs?.Invoke(known) == true))
            {
                // A writer that became a replica: the next connection has to look for the new one.
                if (exception is MySqlException refused && MySqlFailure.IsReadOnly(refused)) await AdminConnections.ClearAsync(connection);
                throw MySqlFailure.IsRefusal(exception) ? MySqlFailure.OfStatement(database, exception) : MySqlFailure.OfLostAnswer(database, exception);
            }
        }
    }

    private async Task RunAllAsync(MySqlConnection connection, Database database, IReadOnlyList<string> statements)
    {
        foreach (var statement in statements)
            await RunOneAsync(connection, database, statement);
    }

    private async Task UndoAsync(MySqlConnection connection, Database database, string username, DatabaseException failure)
    {
        try
        {
            foreach (var account in await Accounts.OfAsync(connection, database, username, CancellationToken.None))
                await RunOneAsync(connection, database, $"DROP USER IF EXISTS {SqlText.Account(account)}");
        }
        catch (DatabaseException undoing)
        {
            throw new DatabaseException(
                DatabaseFailure.AnswerLost, $"{failure.Message} Undoing the statements before it also failed; check whether the user exists: {undoing.Message}", failure);
        }
    }
}
