using Broker.Core.Catalog;
using MySqlConnector;

namespace Broker.Core.Databases.MySql;

/// <summary>One query over an administrator connection.</summary>
internal static class AdminReads
{
    /// <summary>Runs it and hands over each row.</summary>
    /// <exception cref="DatabaseException">The server refuses or is not there.</exception>
    public static async Task RunAsync(
        MySqlConnection connection, Database database, string sql, Action<MySqlDataReader> row, CancellationToken cancellation)
    {
        try
        {
            await using var command = new MySqlCommand(sql, connection);
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            while (await reader.ReadAsync(cancellation))
                row(reader);
        }
        catch (Exception exception) when (MySqlFailure.Covers(exception, cancellation))
        {
            throw MySqlFailure.OfStatement(database, exception);
        }
    }
}
