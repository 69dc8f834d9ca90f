using Broker.Core.Catalog;
using MySqlConnector;

namespace Broker.Core.Databases.MySql;

/// <summary>
/// The roles that the administrator was granted. What a role lets it see is there only while the role is active, and mostly none is: MySQL activates all of them at once, MariaDB one at a time.
/// https://dev.mysql.com/doc/refman/8.4/en/set-role.html, https://mariadb.com/docs/server/reference/sql-statements/account-management-sql-statements/set-role
/// </summary>
internal static class AdminRoles
{
    /// <summary>Looks again with roles active that are not, and leaves active what was. It does not look where there are none.</summary>
    /// <param name="connection">The administrator's.</param>
    /// <param name="database">The database.</param>
    /// <param name="look">Looks over the connection.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="DatabaseException">The server is not there or refuses.</exception>
    public static async Task LookAsync(MySqlConnection connection, Database database, Func<Task> look, CancellationToken cancellation)
    {
        var isMariaDb = ServerFacts.IsMariaDb(connection);
        string active;
        try
        {
            active = await ActiveAsync();
        }
        catch (DatabaseException exception) when (exception.Failure == DatabaseFailure.StatementRefused)
        {
            // MySQL 5.7 has no roles.
            return;
        }

        var others = isMariaDb
            ? await ListAsync("SELECT ROLE_NAME FROM information_schema.APPLICABLE_ROLES WHERE CAST(GRANTEE AS BINARY) = CAST(CURRENT_USER() AS BINARY)")
            : ["ALL"];
        if (isMariaDb) others = [.. others.Select(SqlText.Identifier).Where(role => role != active)];
        if (others.Count == 0) return;
        try
        {
            foreach (var role in others)
            {
                await ListAsync($"SET ROLE {role}");
                if (isMariaDb || await ActiveAsync() != active) await look();
            }
        }
        finally
        {
            await ListAsync($"SET ROLE {active}");
        }

        // As SET ROLE takes it: MariaDB names the one role without quotes, MySQL writes the whole list.
        async Task<string> ActiveAsync() => (await ListAsync("SELECT CURRENT_ROLE()")) is [{ Length: > 0 } roles] ? isMariaDb ? SqlText.Identifier(roles) : roles : "NONE";

        async Task<IReadOnlyList<string>> ListAsync(string sql)
        {
            var values = new List<string>();
            await AdminReads.RunAsync(connection, database, sql, row => values.Add(row.IsDBNull(0) ? "" : row.GetString(0)), cancellation);
            return values;
        }
    }
}
