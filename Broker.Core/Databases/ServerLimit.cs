using Broker.Core.Catalog;

namespace Broker.Core.Databases;

/// <summary>How many connections a server takes: what it says, what the DBA says of it (<see cref="BudgetSettings.Limit"/>), or the smaller of both.</summary>
internal static class ServerLimit
{
    /// <summary>The limit.</summary>
    /// <param name="database">The database.</param>
    /// <param name="said">What the server says; null: nothing.</param>
    /// <param name="where">Where it says it, e.g. <c>max_connections</c>.</param>
    /// <exception cref="DatabaseException">Nobody says it; the message says what to write.</exception>
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
