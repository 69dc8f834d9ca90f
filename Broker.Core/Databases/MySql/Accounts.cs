using Broker.Core.Catalog;
using MySqlConnector;

namespace Broker.Core.Databases.MySql;

/// <summary>Reads the server's accounts. The administrator needs SELECT on <c>mysql.user</c> and PROCESS.</summary>
internal static class Accounts
{
    /// <summary>All accounts of a user name. MariaDB lists its roles beside them, without a host: those are not accounts.</summary>
    public static async Task<List<Account>> OfAsync(MySqlConnection connection, Database database, string username, CancellationToken cancellation)
    {
        var found = new List<Account>();
        await AdminReads.RunAsync(
            connection,
            database,
            $"SELECT User, Host FROM mysql.user WHERE CAST(User AS BINARY) = {SqlText.Bytes(username)} AND Host <> ''",
            reader => found.Add(new(reader.GetString(0), reader.GetString(1))),
            cancellation);
        return found;
    }

    /// <summary>Whether the user is the connection's own.</summary>
    public static async Task<bool> IsOwnAsync(MySqlConnection connection, Database database, string username, CancellationToken cancellation)
    {
        var own = "";
        await AdminReads.RunAsync(connection, database, "SELECT CURRENT_USER()", reader => own = reader.GetString(0), cancellation);
        return own[..own.LastIndexOf('@')] == username;
    }

    /// <summary>The users whose names begin with a prefix, and their open connections.</summary>
    public static async Task<IReadOnlyList<DatabaseUser>> FindAsync(
        AdminConnections admin, Database database, string prefix, CancellationToken cancellation)
    {
        await using var connection = await admin.OpenAsync(database, cancellation);
        var bytes = SqlText.Bytes(prefix);
        var found = new List<DatabaseUser>();
        await AdminReads.RunAsync(
            connection,
            database,
            $"""
            SELECT u.User, (SELECT COUNT(*) FROM information_schema.PROCESSLIST p WHERE CAST(p.USER AS BINARY) = CAST(u.User AS BINARY))
            FROM (SELECT DISTINCT User FROM mysql.user WHERE Host <> '' AND LEFT(CAST(User AS BINARY), LENGTH({bytes})) = {bytes}) u
            ORDER BY 1
            """,
            reader => found.Add(new(reader.GetString(0), ValidUntil: null, reader.GetInt32(1))),
            cancellation);
        for (var i = 0; i < found.Count; i++)
        {
            var theirs = await Definers.OfAsync(connection, database, found[i].Username, cancellation);
            found[i] = found[i] with { OwnedObjects = theirs?.Number ?? 0, Owned = theirs?.Names };
        }

        return found;
    }
}
