using System.Data;
using Broker.Core.Catalog;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>One query over the administrator connection, one round trip.</summary>
internal static class AdminReads
{
    /// <summary>
    /// Runs it and reads the result. When the pooled connection proves dead (a restarted server) it is run once more on a
    /// fresh one: a read can be repeated.
    /// </summary>
    /// <exception cref="DatabaseException">The server refuses or is not there.</exception>
    public static async Task<T> RunAsync<T>(
        AdminConnections admin,
        Database database,
        string sql,
        IReadOnlyList<NpgsqlParameter> parameters,
        Func<NpgsqlDataReader, Task<T>> read,
        CancellationToken cancellation)
    {
        for (var fresh = false; ; fresh = true)
        {
            await using var connection = await admin.OpenAsync(database, null, cancellation);
            try
            {
                await using var command = new NpgsqlCommand(sql, connection);
                foreach (var parameter in parameters)
                    command.Parameters.Add(parameter.Clone());
                await using var reader = await command.ExecuteReaderAsync(cancellation);
                return await read(reader);
            }
            catch (Exception exception) when (PostgreSqlFailure.Covers(exception, cancellation))
            {
                if (fresh || !connection.FullState.HasFlag(ConnectionState.Broken) || IsTimeout(exception))
                    throw PostgreSqlFailure.OfStatement(database, exception);
                admin.Pool(database).Clear();
            }
        }
    }

    private static bool IsTimeout(Exception exception) => exception is TimeoutException || exception.InnerException is TimeoutException;
}
