using System.Globalization;
using Broker.Core.Catalog;

namespace Broker.Core.Databases.MySql;

/// <summary>Counts a server's limit and connections.</summary>
internal static class ConnectionCount
{
    /// <summary>
    /// Threads of the server's own, which take no place among <c>max_connections</c>. <c>unauthenticated user</c> does: it is a
    /// client that is logging in.
    /// </summary>
    private const string ServersOwn = "'system user', 'event_scheduler'";

    /// <summary>
    /// Counts now. Ordinary users get all of <c>max_connections</c>: the extra connection for administrators (of those with
    /// CONNECTION_ADMIN, or SUPER on MariaDB) comes on top, so nothing is reserved.
    /// </summary>
    /// <exception cref="DatabaseException">The server is not there or refuses.</exception>
    public static async Task<ConnectionSample> TakeAsync(AdminConnections admin, Database database, CancellationToken cancellation)
    {
        await using var connection = await admin.OpenAsync(database, cancellation);
        var connected = 0;
        int? limit = null;
        var said = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        await AdminReads.RunAsync(
            connection,
            database,
            $"SHOW GLOBAL VARIABLES WHERE Variable_name IN ('max_connections', '{ServerFacts.ReadOnly}', {string.Join(", ", ServerIdentity.Variables.Select(name => $"'{name}'"))})",
            row => said[row.GetString(0)] = row.IsDBNull(1) ? "" : row.GetString(1),
            cancellation);
        if (said.TryGetValue("max_connections", out var most)) limit = Number(most) is > 0 and var number ? number : null; // a server that says 0 (TiDB) sets none
        // A writer that became a replica: the next count has to look for the new one.
        if (ServerFacts.IsReadOnly(said.GetValueOrDefault(ServerFacts.ReadOnly, "")) && database.ReplicaConnectionString is null) await AdminConnections.ClearAsync(connection);
        // From a status variable, because a dynamic session shows it to everybody and on every version alike.
        await AdminReads.RunAsync(
            connection, database, "SHOW GLOBAL STATUS LIKE 'Threads_connected'", row => connected = Number(row.GetString(1)) ?? 0, cancellation);

        var users = new List<UserConnections>();
        await AdminReads.RunAsync(
            connection,
            database,
            $"""
            SELECT NULLIF(USER, 'unauthenticated user'), COUNT(*),
                   COUNT(CASE WHEN CAST(DB AS BINARY) = {SqlText.Bytes(database.DatabaseName)} THEN 1 END)
            FROM information_schema.PROCESSLIST
            WHERE USER NOT IN ({ServersOwn})
            GROUP BY 1
            """,
            row => users.Add(new(row.IsDBNull(0) ? null : row.GetString(0), row.GetInt32(1), row.GetInt32(2))),
            cancellation);

        // Without PROCESS an administrator sees only its own connections: the others belong to somebody, and count (law L2).
        var unseen = connected - users.Sum(user => user.Open);
        if (unseen > 0) users.Add(new(null, unseen, 0));
        return new(ServerLimit.Of(database, limit, "max_connections"), Reserved: 0, DatabaseLimit: null, users, ServerIdentity.Of(said));
    }

    // Servers that only speak the protocol may say anything; a number that is too large counts as the largest that fits.
    private static int? Number(string text) =>
        decimal.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? (int)Math.Min(number, int.MaxValue) : null;
}
