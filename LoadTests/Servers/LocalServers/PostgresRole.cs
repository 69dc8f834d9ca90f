using System.Globalization;
using Npgsql;

namespace LoadTests.Servers.LocalServers;

/// <summary>A simulated role with real users on a PostgreSQL, made as Vault's plugin makes them.</summary>
internal static class PostgresRole
{
    /// <summary>In Vault's template language, for a real Vault beside the simulated one.</summary>
    public const string CreationStatement = """CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'""";

    /// <summary>A role whose users are on the server of an administrator's connection string.</summary>
    public static SimulatedRole On(string adminConnectionString, string path, TimeSpan ttl, TimeSpan maxTtl, IReadOnlyList<string>? creationStatements = null)
    {
        return new SimulatedRole(path, ttl, maxTtl)
        {
            // As Vault does it: one after the other, in one transaction.
            Create = (user, password, end) => RunAsync(string.Join(";\n", creationStatements ?? [CreationStatement])
                .Replace("{{name}}", user, StringComparison.Ordinal).Replace("{{password}}", password, StringComparison.Ordinal).Replace("{{expiration}}", Words(end), StringComparison.Ordinal)),
            Extend = (user, end) => RunAsync($"ALTER ROLE \"{user}\" VALID UNTIL '{Words(end)}'"),
            Drop = user => RunAsync($"""DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{user}') THEN DROP OWNED BY "{user}"; DROP ROLE "{user}"; END IF; END $$"""),
        };

        async Task RunAsync(string statement)
        {
            // Without a pool: tests stop the server, and a pooled connection would fail once more after it is back.
            var unpooled = new NpgsqlConnectionStringBuilder(adminConnectionString) { Pooling = false };
            await using var connection = new NpgsqlConnection(unpooled.ConnectionString);
            await connection.OpenAsync();
            await using var command = new NpgsqlCommand(statement, connection);
            await command.ExecuteNonQueryAsync();
        }
    }

    private static string Words(DateTimeOffset end) => end.ToUniversalTime().ToString("yyyy-MM-dd HH:mm:sszzz", CultureInfo.InvariantCulture);
}
