using Broker.Core.Catalog;

namespace Broker.Core.Databases;

/// <summary>The number of connections that a server accepts: its own statement, the DBA's (<see cref="BudgetSettings.Limit"/>), or the smaller of both.</summary>
internal static class ServerLimit
{
    /// <summary>The limit.</summary>
    /// <param name="database">The database.</param>
    /// <param name="said">The server's statement; null: none.</param>
    /// <param name="where">Its source, e.g. <c>max_connections</c>.</param>
    /// <exception cref="DatabaseException">Neither says it; the message says what to configure.</exception>
    public static int Of(Database database, int? said, string where) =>
        (said, database.Budget.Limit) switch
        {
            ({ } server, { } configured) => Math.Min(server, configured),
            ({ } server, null) => server,
            (null, { } configured) => configured,
            _ => throw new DatabaseException(
                DatabaseFailure.StatementRefused,
                $"Database '{database.Name}': the server does not say how many connections it allows ({where}); write the number into Budget:Limit."),
        };
}
