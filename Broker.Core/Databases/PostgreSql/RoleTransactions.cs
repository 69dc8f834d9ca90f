using System.Data;
using Broker.Core.Catalog;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// Runs role statements in one transaction. They collide with each other inside the server (rows of pg_authid, pg_class's
/// access lists, pg_database's), which refuses the later one: it is tried again after a short random pause. So is what a check of their
/// effect undoes.
/// </summary>
internal sealed class RoleTransactions(AdminConnections admin, TimeProvider clock)
{
    private const int Tries = 5;
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(20);

    /// <summary>Runs the statements and commits.</summary>
    /// <param name="database">The database.</param>
    /// <param name="databaseName">Another database of the same server; null: the administrator's.</param>
    /// <param name="statements">Ready to run.</param>
    /// <param name="cancellation">Heeded until the commit.</param>
    /// <param name="check">Checks their effect before the commit; an exception from it undoes them, and false undoes them and tries again.</param>
    /// <exception cref="DatabaseException">They were refused, the server is not there, or the answer was lost.</exception>
    public async Task RunAsync(
        Database database, string? databaseName, IReadOnlyList<string> statements, CancellationToken cancellation, Func<NpgsqlConnection, Task<bool>>? check = null)
    {
        for (var attempt = 1; ; attempt++)
        {
            await using var connection = await OpenLiveAsync(database, databaseName, cancellation);
            try
            {
                if (await RunOnceAsync(database, connection, statements, check, cancellation)) return;
                if (attempt == Tries)
                    throw new DatabaseException(
                        DatabaseFailure.Unavailable, $"Database '{database.Name}': what the statements change was changed by others each time, {Tries} times; try again later.");
            }
            catch (PostgresException exception) when (attempt < Tries && PostgreSqlFailure.IsCollision(exception))
            {
                // The pause comes below, when the transaction is rolled back.
            }
            catch (Exception exception) when (PostgreSqlFailure.Covers(exception, cancellation))
            {
                // A writer that became a replica: the next connection has to look for the new one.
                if (exception is PostgresException { SqlState: PostgresErrorCodes.ReadOnlySqlTransaction }) admin.Pool(database, databaseName).Clear();
                throw PostgreSqlFailure.OfStatement(database, exception);
            }

            await connection.CloseAsync();
            await Task.Delay(FirstPause * (Random.Shared.NextDouble() + 0.5) * (1 << attempt), clock, cancellation);
        }
    }

    /// <summary>
    /// A connection that has answered. One from the pool may have died there unseen (a restarted server, a firewall), and
    /// finding that out with the first statement would look like a lost answer.
    /// </summary>
    private async Task<NpgsqlConnection> OpenLiveAsync(Database database, string? databaseName, CancellationToken cancellation)
    {
        for (var fresh = false; ; fresh = true)
        {
            var connection = await admin.OpenAsync(database, databaseName, cancellation);
            try
            {
                await using var ping = new NpgsqlCommand("SELECT 1", connection);
                await ping.ExecuteNonQueryAsync(cancellation);
                return connection;
            }
            catch (Exception exception)
            {
                await connection.DisposeAsync();
                if (!PostgreSqlFailure.Covers(exception, cancellation))
                    throw;
                if (fresh)
                    throw PostgreSqlFailure.OfConnecting(database, exception);
                admin.Pool(database, databaseName).Clear();
            }
        }
    }

    // False: the check undid them.
    private static async Task<bool> RunOnceAsync(
        Database database, NpgsqlConnection connection, IReadOnlyList<string> statements, Func<NpgsqlConnection, Task<bool>>? check, CancellationToken cancellation)
    {
        var committing = false;
        try
        {
            await using var transaction = await connection.BeginTransactionAsync(cancellation);
            if (statements.Any(statement => statement.Contains('\\', StringComparison.Ordinal)))
            {
                // The statements were parsed with this setting, whatever the server's default is.
                await using var standard = new NpgsqlCommand("SET LOCAL standard_conforming_strings = on", connection, transaction);
                await standard.ExecuteNonQueryAsync(cancellation);
            }

            foreach (var statement in statements)
            {
                await using var command = new NpgsqlCommand(SqlText.Whole(statement), connection, transaction);
                await command.ExecuteNonQueryAsync(cancellation);
            }

            if (check is not null && !await check(connection)) return false;
            cancellation.ThrowIfCancellationRequested();
            committing = true;
            await transaction.CommitAsync(CancellationToken.None);
            return true;
        }
        catch (Exception exception) when (
            PostgreSqlFailure.Covers(exception, cancellation) && IsAnswerLost(exception, committing, connection))
        {
            throw PostgreSqlFailure.OfLostAnswer(database, exception);
        }
    }

    /// <summary>
    /// The server's plain refusal (ERROR) means a rollback, even if the driver then drops the connection (it does for
    /// XX000). Otherwise a connection lost before the commit also means a rollback, except with statements that contain a COMMIT of their
    /// own; so it counts as lost. From the commit on, every loss does.
    /// </summary>
    private static bool IsAnswerLost(Exception exception, bool committing, NpgsqlConnection connection) =>
        exception is PostgresException refusal
            ? refusal.InvariantSeverity != "ERROR"
            : committing || connection.FullState.HasFlag(ConnectionState.Broken) || connection.State == ConnectionState.Closed;
}
