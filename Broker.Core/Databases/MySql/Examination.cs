using System.Globalization;
using Broker.Core.Catalog;
using MySqlConnector;

namespace Broker.Core.Databases.MySql;

/// <summary>Looks for conditions that make a server of the MySQL family unsuitable for users that come and go.</summary>
internal static class Examination
{
    private const int LongIdleSeconds = 60;
    private const int ManyGrants = 5;

    private static readonly string[] OfEachSession = ["sort_buffer_size", "join_buffer_size", "read_buffer_size", "read_rnd_buffer_size", "thread_stack", "net_buffer_length"];

    /// <summary>Looks now.</summary>
    /// <param name="admin">Opens connections.</param>
    /// <param name="database">The database.</param>
    /// <param name="users">The broker's users that are there, or may be.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="DatabaseException">The server is not there or refuses.</exception>
    public static async Task<IReadOnlyList<Finding>> RunAsync(AdminConnections admin, Database database, IReadOnlyCollection<string> users, CancellationToken cancellation)
    {
        await using var connection = await admin.OpenAsync(database, cancellation);
        var found = new List<Finding>();
        var values = new Dictionary<string, long>(StringComparer.Ordinal);
        await AdminReads.RunAsync(
            connection, database, "SHOW GLOBAL VARIABLES",
            row =>
            {
                if (long.TryParse(row.GetString(1), NumberStyles.None, CultureInfo.InvariantCulture, out var number)) values[row.GetString(0)] = number;
            },
            cancellation);
        if (OfMemory(values) is { } memory) found.Add(memory);

        var (idle, longest) = (0L, 0L);
        await AdminReads.RunAsync(
            connection, database,
            $"""
            SELECT p.USER, p.TIME FROM information_schema.PROCESSLIST p JOIN information_schema.INNODB_TRX t ON t.trx_mysql_thread_id = p.ID
            WHERE p.COMMAND = 'Sleep' AND p.TIME > {LongIdleSeconds}
            """,
            row =>
            {
                if (!users.Contains(row.GetString(0))) return;
                (idle, longest) = (idle + 1, Math.Max(longest, row.GetInt64(1)));
            },
            cancellation);
        if (idle > 0)
        {
            found.Add(new(
                FindingKind.Warning, "Sessions of the broker's users are idle in a transaction",
                Say($"{idle} sessions have been idle in an open transaction for more than {LongIdleSeconds} s, the longest for {longest} s. They hold locks, and the undo log grows."),
                "SELECT t.trx_started, p.ID, p.USER, p.HOST FROM information_schema.INNODB_TRX t JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id ORDER BY 1;\nKILL 4711; -- the ID of one\nSET GLOBAL wait_timeout = 600; -- MariaDB has idle_transaction_timeout besides"));
        }

        var grants = new Dictionary<string, int>(StringComparer.Ordinal);
        await AdminReads.RunAsync(
            connection, database, "SELECT GRANTEE, COUNT(*) FROM information_schema.TABLE_PRIVILEGES GROUP BY 1",
            row => grants[row.GetString(0)] = row.GetInt32(1), cancellation);
        var many = grants.Where(grant => users.Any(user => grant.Key.StartsWith($"'{user}'@", StringComparison.Ordinal)) && grant.Value >= ManyGrants).Select(grant => grant.Value).DefaultIfEmpty(0).Max();
        if (many > 0)
        {
            found.Add(new(
                FindingKind.Notice, "Each user is granted its rights individually",
                Say($"A user of the broker has {many} rights on single tables: each new user writes all of them into the grant tables, which are locked meanwhile. A role holds them only once."),
                await RoleSqlAsync(connection, database, cancellation)));
        }

        foreach (var user in users)
        {
            if (await Definers.OfAsync(connection, database, user, cancellation) is not { } owned) continue;
            found.Add(new(
                FindingKind.Warning, "A temporary user defines objects",
                Say($"{user} is the definer of {owned.Number} views, routines, triggers or events ({owned.Names}). They run with its rights, fail when it is dropped, or keep it from being dropped. Create them with a permanent definer{(ServerFacts.IsMariaDb(connection) ? ", or with SQL SECURITY INVOKER" : ": SQL SECURITY INVOKER is not enough on MySQL")}."),
                "-- for each: CREATE OR REPLACE DEFINER = 'app_owner'@'%' VIEW … (or ALTER DEFINER = … EVENT …; routines and triggers have to be dropped and created)"));
            break;
        }

        return [.. found.OrderByDescending(finding => finding.Kind)];
    }

    private static async Task<string> RoleSqlAsync(MySqlConnection connection, Database database, CancellationToken cancellation)
    {
        var administrator = "";
        await AdminReads.RunAsync(connection, database, "SELECT CURRENT_USER()", row => administrator = row.GetString(0), cancellation);
        var at = administrator.LastIndexOf('@');
        var isMariaDb = ServerFacts.IsMariaDb(connection);
        return $$$"""
            CREATE ROLE app_rw;
            GRANT SELECT, INSERT, UPDATE, DELETE ON app.* TO app_rw;
            -- the administrator that makes the users (here the broker's; Vault's, where Vault makes them): without this it grants the role to nobody
            GRANT app_rw TO {{{SqlText.Account(new(administrator[..at], administrator[(at + 1)..]))}}} WITH ADMIN OPTION;
            -- and in the role's CreationStatements: GRANT app_rw TO '{{name}}'@'%'; SET DEFAULT ROLE app_rw {{{(isMariaDb ? "FOR" : "TO")}}} '{{name}}'@'%';
            """
            + (isMariaDb
                ? "\n-- SET DEFAULT ROLE for another account takes UPDATE ON mysql.*, which is as good as every right, and which Amazon RDS gives to nobody: where the administrator is not to have it, leave the grants as they are"
                : "");
    }

    // No session can see how much memory the machine has: InnoDB's setting is the best available figure.
    private static Finding? OfMemory(Dictionary<string, long> values)
    {
        if (!values.TryGetValue("max_connections", out var connections) || !values.TryGetValue("innodb_buffer_pool_size", out var pool)) return null;
        var each = OfEachSession.Sum(name => values.GetValueOrDefault(name));
        return connections * each <= pool ? null : new(
            FindingKind.Warning, "max_connections is more than the memory allows",
            Say($"{connections} connections that each use their buffers once need {Size(connections * each)}, more than InnoDB has for all data ({Size(pool)}). When all come at once, the machine swaps or the kernel ends the server."),
            Say($"SET GLOBAL max_connections = {Math.Max(20, pool / Math.Max(1, each))};\n-- or give InnoDB the machine's memory: SET GLOBAL innodb_buffer_pool_size = …;"));
    }

    private static string Size(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 20):0} MB");

    private static string Say(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
