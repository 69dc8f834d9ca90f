using System.Data;
using Broker.Core.Catalog;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// One query over the administrator connection, one round trip. Names in it are always PostgreSQL's own: anybody who may
/// create in a schema of the search path can make an operator that fits better than the server's, and it would run with the
/// administrator's rights (law L13; https://www.postgresql.org/docs/current/ddl-schemas.html#DDL-SCHEMAS-PATTERNS).
/// </summary>
internal static class AdminReads
{
    private const string OwnNamesOnly = "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)";

    /// <summary>
    /// Runs it and reads the result. When the pooled connection proves dead (a restarted server) it is run once more on a
    /// fresh one: a read can be repeated.
    /// </summary>
    /// <exception cref="DatabaseException">The server refuses or is not there.</exception>
    public static Task<T> RunAsync<T>(
        AdminConnections admin,
        Database database,
        string sql,
        IReadOnlyList<NpgsqlParameter> parameters,
        Func<NpgsqlDataReader, Task<T>> read,
        CancellationToken cancellation) => RunAsync(admin, database, null, beside: null, sql, parameters, read, cancellation);

    /// <summary>
    /// Runs it as <see cref="RunAsync{T}(AdminConnections, Database, string, IReadOnlyList{NpgsqlParameter}, Func{NpgsqlDataReader, Task{T}}, CancellationToken)"/>
    /// does, while the caller has a transaction open on another connection: the query sees what is committed, and nothing of the transaction.
    /// </summary>
    /// <param name="admin">Opens connections.</param>
    /// <param name="database">The database.</param>
    /// <param name="databaseName">Another database of the same server; null: the administrator's.</param>
    /// <param name="inside">The connection with the transaction: the query runs on its server.</param>
    /// <param name="sql">The query.</param>
    /// <param name="parameters">Its parameters.</param>
    /// <param name="read">Reads the result.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="DatabaseException">The server refuses or is not there.</exception>
    public static Task<T> RunBesideAsync<T>(
        AdminConnections admin,
        Database database,
        string? databaseName,
        NpgsqlConnection inside,
        string sql,
        IReadOnlyList<NpgsqlParameter> parameters,
        Func<NpgsqlDataReader, Task<T>> read,
        CancellationToken cancellation) => RunAsync(admin, database, databaseName, inside, sql, parameters, read, cancellation);

    /// <summary>Runs it on an open connection. In a transaction, later statements also find only PostgreSQL's own names.</summary>
    /// <exception cref="NpgsqlException">The server refuses or is not there.</exception>
    public static async Task<T> RunAsync<T>(
        NpgsqlConnection connection,
        string sql,
        IReadOnlyList<NpgsqlParameter> parameters,
        Func<NpgsqlDataReader, Task<T>> read,
        CancellationToken cancellation)
    {
        // Both are one implicit transaction, and at its end the search path is what it was.
        await using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(new NpgsqlBatchCommand(OwnNamesOnly));
        var query = new NpgsqlBatchCommand(sql);
        foreach (var parameter in parameters)
            query.Parameters.Add(parameter.Clone());
        batch.BatchCommands.Add(query);
        await using var reader = await batch.ExecuteReaderAsync(cancellation);
        await reader.NextResultAsync(cancellation);
        return await read(reader);
    }

    private static async Task<T> RunAsync<T>(
        AdminConnections admin,
        Database database,
        string? databaseName,
        NpgsqlConnection? beside,
        string sql,
        IReadOnlyList<NpgsqlParameter> parameters,
        Func<NpgsqlDataReader, Task<T>> read,
        CancellationToken cancellation)
    {
        for (var fresh = false; ; fresh = true)
        {
            await using var connection = await admin.OpenAsync(database, databaseName, cancellation, beside);
            try
            {
                return await RunAsync(connection, sql, parameters, read, cancellation);
            }
            catch (Exception exception) when (PostgreSqlFailure.Covers(exception, cancellation))
            {
                if (fresh || !connection.FullState.HasFlag(ConnectionState.Broken) || IsTimeout(exception))
                    throw PostgreSqlFailure.OfStatement(database, exception);
                admin.Pool(database, databaseName, beside).Clear();
            }
        }
    }

    private static bool IsTimeout(Exception exception) => exception is TimeoutException || exception.InnerException is TimeoutException;
}
