using System.Text.Json;
using Broker.Core.Catalog;
using Broker.Core.Model;
using MySqlConnector;

namespace Broker.Core.Databases.MySql;

/// <summary>
/// How accounts authenticate. MySQL keeps an account's plugin when it is told another password
/// (https://dev.mysql.com/doc/refman/8.4/en/alter-user.html), MariaDB puts <c>mysql_native_password</c> in its place unless the statement names it
/// (https://mariadb.com/kb/en/alter-user/).
/// </summary>
internal static class Authentication
{
    // An account without a name of a plugin is one of mysql_native_password. The last is TiDB's.
    private static readonly string[] Plain = ["", "mysql_native_password", "caching_sha2_password", "sha256_password", "tidb_sm3_password"];

    // Not parsec (from 11.6 on): the driver cannot log in by it, so that a password that was changed could not be tried. Of MariaDB, from 11.4.9 on also MySQL's newer one (https://mariadb.com/docs/server/reference/plugins/authentication-plugins).
    private static readonly string[] OfMariaDb = ["ed25519", "caching_sha2_password"];

    /// <summary>The clause of <c>ALTER USER</c> that gives each account of a user another password, and leaves it its plugin.</summary>
    /// <exception cref="DatabaseException">The server is not there, or an account authenticates by something else than one password that it keeps.</exception>
    public static async Task<IReadOnlyDictionary<Account, string>> WithAsync(MySqlConnection connection, Database database, Login login, CancellationToken cancellation)
    {
        var isMariaDb = ServerFacts.IsMariaDb(connection);
        var several = isMariaDb ? await SeveralAsync(connection, database, login.Username, cancellation) : [];
        var clauses = new Dictionary<Account, string>();
        foreach (var (account, plugin) in await PluginsAsync(connection, database, login.Username, cancellation))
        {
            if (several.Contains(account))
                throw Refused(database, account, "authenticates by several rules, of which a password would leave one");
            clauses[account] = Clause(isMariaDb, plugin, login.Password.Reveal())
                ?? throw Refused(database, account, $"authenticates by {plugin}, which keeps no password that the broker can change and try");
        }

        return clauses;
    }

    /// <summary>The clause for one account; null: its plugin keeps no password that can be changed.</summary>
    /// <param name="isMariaDb">Whether the server is MariaDB.</param>
    /// <param name="plugin">The account's plugin; empty: none is named.</param>
    /// <param name="password">The new password.</param>
    internal static string? Clause(bool isMariaDb, string plugin, string password) =>
        isMariaDb && OfMariaDb.Contains(plugin) ? $"IDENTIFIED VIA {plugin} USING PASSWORD('{password}')"
        : Plain.Contains(plugin) ? $"IDENTIFIED BY '{password}'"
        : null;

    private static DatabaseException Refused(Database database, Account account, string why) => new(
        DatabaseFailure.StatementRefused,
        $"Database '{database.Name}': '{account.Username}'@'{account.Host}' {why}. Let a static role's users authenticate by one password: {string.Join(", ", Plain[1..3].Union(OfMariaDb))}.");

    private static async Task<List<(Account Account, string Plugin)>> PluginsAsync(MySqlConnection connection, Database database, string username, CancellationToken cancellation)
    {
        var found = new List<(Account, string)>();
        await AdminReads.RunAsync(
            connection,
            database,
            $"SELECT User, Host, plugin FROM mysql.user WHERE CAST(User AS BINARY) = {SqlText.Bytes(username)} AND Host <> ''",
            row => found.Add((new(row.GetString(0), row.GetString(1)), row.IsDBNull(2) ? "" : row.GetString(2))),
            cancellation);
        return found;
    }

    // mysql.user shows the first rule alone. An administrator that may not read what it is a view of sees no others.
    private static async Task<HashSet<Account>> SeveralAsync(MySqlConnection connection, Database database, string username, CancellationToken cancellation)
    {
        var several = new HashSet<Account>();
        try
        {
            await AdminReads.RunAsync(
                connection,
                database,
                $"SELECT User, Host, Priv FROM mysql.global_priv WHERE CAST(User AS BINARY) = {SqlText.Bytes(username)} AND Host <> ''",
                row =>
                {
                    using var rights = JsonDocument.Parse(row.GetString(2));
                    if (rights.RootElement.TryGetProperty("auth_or", out _)) several.Add(new(row.GetString(0), row.GetString(1)));
                },
                cancellation);
        }
        catch (DatabaseException exception) when (exception.Failure == DatabaseFailure.StatementRefused)
        {
            // Documented rights are enough for everything else.
        }

        return several;
    }
}
